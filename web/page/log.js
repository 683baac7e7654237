// The list of the latest comments: what a screen reader reads, and all that is
// shown to someone who asked for less motion. It stays scrolled to its end by
// its layout (see .scroll in the stylesheet), not by a script.

export const MAX_ENTRIES = 150;

export class Log {
  #list;
  #total;
  #seen = 0;

  constructor(list, total) {
    this.#list = list;
    this.#total = total;
  }

  // add returns the entry, for mark.
  add(comment, own) {
    const entry = newEntry(comment.nick || 'anonymous', comment.text);
    entry.firstElementChild.style.color = comment.color;
    entry.classList.toggle('own', own);
    this.#append(entry);
    this.#count(this.#seen + 1);
    return entry;
  }

  // mark says of an own comment whether it is pending, sent, or failed and why.
  mark(entry, state, why = '') {
    entry.dataset.state = state;
    entry.lastElementChild.textContent = why;
  }

  // note is a line of the page's own between the comments.
  note(text) {
    const entry = newEntry('', text);
    entry.className = 'note';
    this.#append(entry);
  }

  clear() {
    this.#list.replaceChildren();
    this.#count(0);
  }

  #append(entry) {
    if (this.#list.childElementCount >= MAX_ENTRIES) this.#list.firstElementChild.remove();
    this.#list.append(entry);
  }

  #count(seen) {
    this.#seen = seen;
    this.#total.textContent = String(seen);
  }
}

function newEntry(nick, text) {
  const entry = document.createElement('li');
  for (const [className, content] of [['nick', nick], ['text', text], ['why', '']]) {
    const part = document.createElement('span');
    part.className = className;
    part.dir = 'auto';
    part.textContent = content;
    entry.append(part);
  }
  return entry;
}
