// The list of the latest comments: what a screen reader reads, and all that is
// shown to someone who asked for less motion. It stays scrolled to its end by
// its layout (see .scroll in the stylesheet), not by a script.

export const MAX_ENTRIES = 100;

export class Log {
  #list;
  #total;
  #seen = 0;

  constructor(list, total) {
    this.#list = list;
    this.#total = total;
  }

  add(comment, own) {
    const full = this.#list.childElementCount >= MAX_ENTRIES;
    const entry = full ? this.#list.firstElementChild : newEntry();
    const [nick, text] = entry.children;
    nick.textContent = comment.nick || 'anonymous';
    nick.style.color = comment.color;
    text.textContent = comment.text;
    entry.classList.toggle('own', own);
    this.#list.append(entry);
    this.#count(this.#seen + 1);
  }

  clear() {
    this.#list.replaceChildren();
    this.#count(0);
  }

  #count(seen) {
    this.#seen = seen;
    this.#total.textContent = String(seen);
  }
}

function newEntry() {
  const entry = document.createElement('li');
  const nick = document.createElement('span');
  const text = document.createElement('span');
  nick.className = 'nick';
  nick.dir = text.dir = 'auto';
  entry.append(nick, text);
  return entry;
}
