// The form at the bottom: name, colour, comment, Send. It keeps under the
// server's rate limit, and knows its own comments again when they come back.

import { clean, encode, MAX_NICK, MAX_TEXT, newId } from './comment.js';
import { Limiter } from './limiter.js';

const HINT_MS = 4_000;
const LEFT_SHOWN_FROM = 50;
// Only as many as can be on their way: what the server dropped never returns.
const MAX_SENT = 64;

export class Composer {
  #form;
  #hint;
  #left;
  #deliver;
  #limiter = new Limiter(performance.now());
  #sent = new Set();
  #hintTimer = 0;

  // deliver sends a frame and says whether it could; onChoice is told of a new
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

  // recognise reports whether a comment is this page's own. Everybody can read
  // an id, so each counts once.
  recognise(comment) {
    return this.#sent.delete(comment.id);
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
      this.#say('Slow down: too many comments at once.');
      return;
    }
    const id = newId();
    this.#remember(id);
    if (!this.#deliver(encode({ ...this.#choice(), text, id }))) {
      this.#say('Not connected: your comment waits here.');
      return;
    }
    this.#say('');
    input.value = '';
    this.#showLeft();
  }

  #remember(id) {
    if (this.#sent.size >= MAX_SENT) this.#sent.delete(this.#sent.values().next().value);
    this.#sent.add(id);
  }

  #say(sentence) {
    clearTimeout(this.#hintTimer);
    this.#hint.textContent = sentence;
    if (sentence !== '') this.#hintTimer = setTimeout(() => this.#say(''), HINT_MS);
  }

  #showLeft() {
    const left = MAX_TEXT - this.#form.text.value.length;
    this.#left.textContent = left <= LEFT_SHOWN_FROM ? String(left) : '';
  }
}
