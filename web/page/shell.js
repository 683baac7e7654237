// The frame of the page: theme, side panel and its tabs, full screen, keys.

import { name, t } from './messages.js';

const SKY = { dark: '#0b0e1a', light: '#f3f4fa' };

// Shell keeps what the visitor chose by keep({theme, panel}).
export class Shell {
  #parts;
  #settings;
  #keep;
  #calm = false;
  #onTab;

  constructor(parts, settings, { keep, onTab }) {
    this.#parts = parts;
    this.#settings = settings;
    this.#keep = keep;
    this.#onTab = onTab;
    this.#listen();
    this.#showTheme();
    this.#showPanel();
  }

  // calm is for those who want no motion: the list is what they have, and is always there.
  set calm(calm) {
    this.#calm = calm;
    document.body.classList.toggle('calm', calm);
    this.#showPanel();
  }

  get tab() {
    return this.#parts.tabs.find((tab) => tab.ariaSelected === 'true').id;
  }

  #listen() {
    const { theme, toggle, full, style, tabs, scroll, newest } = this.#parts;
    theme.addEventListener('click', () => {
      this.#keep({ theme: this.#settings.theme === 'dark' ? 'light' : 'dark' });
      this.#showTheme();
    });
    toggle.addEventListener('click', () => this.#togglePanel());
    full.addEventListener('click', () => this.#toggleFull());
    style.addEventListener('click', () => {
      style.ariaExpanded = String(document.body.classList.toggle('with-style'));
    });
    for (const tab of tabs) {
      tab.addEventListener('click', () => this.#choose(tab));
      tab.addEventListener('keydown', ({ key }) => {
        if (key === 'ArrowLeft' || key === 'ArrowRight') this.#choose(tabs.find((other) => other !== tab), true);
      });
    }
    // Laid out from its end, the list is at 0 there.
    scroll.addEventListener('scroll', () => {
      newest.hidden = scroll.scrollTop > -80;
    }, { passive: true });
    newest.addEventListener('click', () => {
      scroll.scrollTop = 0;
      scroll.focus();
    });
    addEventListener('keydown', (event) => this.#key(event));
  }

  // Keys alone are for who is nowhere in particular: letters typed into a field are letters.
  #key(event) {
    if (event.target !== document.body || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { '/': () => this.#parts.text.focus(), f: () => this.#toggleFull(), c: () => this.#togglePanel() }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #choose(chosen, focus = false) {
    for (const tab of this.#parts.tabs) {
      tab.ariaSelected = String(tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute('aria-controls')).hidden = tab !== chosen;
    }
    if (focus) chosen.focus();
    this.#onTab(chosen.id);
  }

  #togglePanel() {
    this.#keep({ panel: !this.#settings.panel });
    this.#showPanel();
  }

  #showPanel() {
    const open = this.#calm || this.#settings.panel;
    this.#parts.panel.hidden = !open;
    this.#parts.toggle.ariaExpanded = String(open);
    document.body.classList.toggle('with-panel', open);
  }

  #showTheme() {
    const { theme } = this.#settings;
    document.documentElement.dataset.theme = theme;
    document.querySelector('meta[name="theme-color"]').content = SKY[theme];
    name(this.#parts.theme, t(theme === 'dark' ? 'light' : 'dark'));
  }

  #toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    else this.#parts.theatre.requestFullscreen?.().catch(() => {}); // a phone may have none
  }
}
