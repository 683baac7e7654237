// The badge that says how the connection is. The countdown stands outside the
// live region, or a screen reader would read out every second of it.

import { t } from './messages.js';

const TICK_MS = 250;

export class Status {
  #parts;
  #timer = 0;

  constructor(parts) {
    this.#parts = parts;
  }

  show(state) {
    clearInterval(this.#timer);
    const name = state.name === 'waiting' && !navigator.onLine ? 'offline' : state.name;
    const { root, text, wait, reconnect } = this.#parts;
    root.dataset.state = name;
    text.textContent = t(name, state);
    wait.textContent = '';
    reconnect.hidden = !['waiting', 'offline', 'stopped'].includes(name);
    reconnect.textContent = t(name === 'stopped' ? 'reconnect' : 'now');
    if (name !== 'waiting') return;
    const tick = () => {
      wait.textContent = t('inSeconds', { count: Math.max(0, Math.ceil((state.retryAt - Date.now()) / 1000)) });
    };
    tick();
    this.#timer = setInterval(tick, TICK_MS);
  }
}
