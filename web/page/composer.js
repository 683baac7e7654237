// The form at the bottom: name, colour, position, comment, Send, gifts. It keeps under the
// server's rate limit.

import { clean, MAX_NICK, MAX_TEXT } from './comment.js';
import { Limiter } from './limiter.js';
import { t } from './messages.js';

const HINT_MS = 4_000;
const LEFT_SHOWN_FROM = 50;

export class Composer {
  #form;
  #hint;
  #left;
  #deliver;
  #limiter = new Limiter(performance.now());
  #hintTimer = 0;

  // deliver takes what is to be published and says whether it could; onChoice is told of a
  // new name, colour or position.
  constructor(form, { hint, left, nick, color, mode, deliver, onChoice }) {
    this.#form = form;
    this.#hint = hint;
    this.#left = left;
    this.#deliver = deliver;
    form.nick.value = nick;
    form.mode.value = mode;
    form.color.value = color;
    if (form.color.value === '') form.color[0].checked = true; // a colour no longer offered
    for (const radio of form.color) radio.parentElement.style.setProperty('--swatch', radio.value);
    form.addEventListener('change', () => {
      const { nick, ...choice } = this.#choice();
      onChoice(form.nick.disabled ? choice : { nick, ...choice });
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    form.text.addEventListener('input', () => this.#showLeft());
  }

  // known is told the name by which the server knows the visitor, if any: then it is not
  // to be chosen.
  known(name) {
    const { nick } = this.#form;
    if (nick.disabled && name === '') nick.value = nick.dataset.chosen;
    if (!nick.disabled && name !== '') nick.dataset.chosen = nick.value;
    if (name !== '') nick.value = name;
    nick.disabled = name !== '';
  }

  // give publishes something beside comments, as far as the rate limit lets it.
  give(data, options) {
    const { nick, color } = this.#choice();
    return this.#publish({ nick, color, ...data }, options);
  }

  #choice() {
    const { nick, color, mode } = this.#form;
    return { nick: clean(nick.value, MAX_NICK), color: color.value, mode: mode.value };
  }

  #send() {
    const input = this.#form.text;
    const text = clean(input.value, MAX_TEXT);
    input.focus();
    if (text === '' || !this.#publish({ ...this.#choice(), text })) return;
    this.say('');
    input.value = '';
    this.#showLeft();
  }

  #publish(data, options) {
    if (!this.#limiter.take(performance.now())) {
      this.say(t('slow'));
      return false;
    }
    const delivered = this.#deliver(data, options);
    if (!delivered) this.say(t('notConnected'));
    return delivered;
  }

  // say shows a sentence for a while.
  say(sentence) {
    clearTimeout(this.#hintTimer);
    this.#hint.textContent = sentence;
    if (sentence !== '') this.#hintTimer = setTimeout(() => this.say(''), HINT_MS);
  }

  #showLeft() {
    const left = MAX_TEXT - this.#form.text.value.length;
    this.#left.textContent = left <= LEFT_SHOWN_FROM ? String(left) : '';
  }
}
