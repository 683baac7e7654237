// The form at the bottom: name, colour, comment, Send. It keeps under the
// server's rate limit.

import { clean, MAX_NICK, MAX_TEXT } from './comment.js';
import { Limiter } from './limiter.js';

const HINT_MS = 4_000;
const LEFT_SHOWN_FROM = 50;

export class Composer {
  #form;
  #hint;
  #left;
  #deliver;
  #limiter = new Limiter(performance.now());
  #hintTimer = 0;

  // deliver takes a comment and says whether it could; onChoice is told of a new
  // name or colour.
  constructor(form, { hint, left, nick, color, deliver, onChoice }) {
    this.#form = form;
    this.#hint = hint;
    this.#left = left;
    this.#deliver = deliver;
    form.nick.value = nick;
    form.color.value = color;
    if (form.color.value === '') form.color[0].checked = true; // a colour no longer offered
    for (const radio of form.color) radio.parentElement.style.setProperty('--swatch', radio.value);
    form.addEventListener('change', () => onChoice(this.#choice()));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    form.text.addEventListener('input', () => this.#showLeft());
  }

  #choice() {
    return { nick: clean(this.#form.nick.value, MAX_NICK), color: this.#form.color.value };
  }

  #send() {
    const input = this.#form.text;
    const text = clean(input.value, MAX_TEXT);
    input.focus();
    if (text === '') return;
    if (!this.#limiter.take(performance.now())) {
      this.say('Slow down: too many comments at once.');
      return;
    }
    if (!this.#deliver({ ...this.#choice(), text })) {
      this.say('Not connected: your comment waits here.');
      return;
    }
    this.say('');
    input.value = '';
    this.#showLeft();
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
