// The list of a room's latest comments: what a screen reader reads, and all that is shown to
// someone who asked for less motion. It stays scrolled to its end by its layout (see .scroll
// in the stylesheet), not by a script.

import { avatar } from './avatar.js';
import { language, t } from './messages.js';

export const MAX_ENTRIES = 150;

const clock = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

export class Chat {
  list = document.createElement('ol');
  total = 0;
  #onTotal;

  // onTotal is told of each further comment.
  constructor(onTotal) {
    this.#onTotal = onTotal;
  }

  // add returns the entry, for mark. A comment has nick, avatar, text, color and time.
  add(comment, own) {
    const name = comment.nick || t('anonymous');
    const entry = document.createElement('li');
    entry.classList.toggle('own', own);
    entry.style.setProperty('--said', comment.color);
    const body = element('div', 'body');
    body.append(part('nick', name), time(comment.time), part('text', comment.text), part('why', ''));
    entry.append(avatar(name, comment.avatar), body);
    this.#append(entry);
    this.total++;
    this.#onTotal();
    return entry;
  }

  // mark says of an own comment whether it is pending, sent, or failed, why, and what
  // tries it again.
  mark(entry, state, why = '', again = null) {
    entry.dataset.state = state;
    const note = entry.querySelector('.why');
    note.textContent = state === 'sent' ? '' : why;
    if (!again) return;
    const button = element('button', 'retry');
    button.type = 'button';
    button.textContent = t('retry');
    button.addEventListener('click', () => {
      entry.remove();
      again();
    });
    note.append(' ', button);
  }

  // note is a line of the page's own between the comments.
  note(text) {
    const entry = element('li', 'note');
    entry.append(part('text', text));
    this.#append(entry);
  }

  #append(entry) {
    if (this.list.childElementCount >= MAX_ENTRIES) this.list.firstElementChild.remove();
    this.list.append(entry);
  }
}

function time(milliseconds) {
  const when = element('time', '');
  const date = new Date(milliseconds);
  when.dateTime = date.toISOString();
  when.textContent = clock.format(date);
  return when;
}

function part(className, text) {
  const span = element('span', className);
  span.dir = 'auto';
  span.textContent = text;
  return span;
}

function element(tag, className) {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}
