// The rooms that the visitor is in: a tab for each, with what is unread in it.

import { clean } from './comment.js';
import { name, number, t } from './messages.js';

const MAX_SHOWN = 40; // characters of a room's name
const MOST_COUNTED = 99;

export class Rooms {
  #list;
  #items = new Map(); // by name: {item, badge, button, leave, unread}
  #on;

  // on has choose(name) and leave(name).
  constructor(list, on) {
    this.#list = list;
    this.#on = on;
  }

  add(room) {
    if (this.#items.has(room)) return;
    const item = document.createElement('li');
    const button = document.createElement('button');
    const label = document.createElement('span');
    const badge = document.createElement('span');
    const leave = document.createElement('button');
    button.type = leave.type = 'button';
    button.className = 'room';
    leave.className = 'leave';
    label.dir = 'auto';
    label.textContent = clean(room, MAX_SHOWN);
    badge.className = 'badge';
    badge.hidden = true;
    leave.textContent = '×';
    name(leave, t('leaveRoom', { room: label.textContent }));
    button.append(label, badge);
    button.addEventListener('click', () => this.#on.choose(room));
    leave.addEventListener('click', () => this.#on.leave(room));
    item.append(button, leave);
    this.#list.append(item);
    this.#items.set(room, { item, badge, button, leave, unread: 0 });
    this.#showLeave();
  }

  remove(room) {
    this.#items.get(room)?.item.remove();
    this.#items.delete(room);
    this.#showLeave();
  }

  // look marks the room that is looked at: nothing is unread in it.
  look(room) {
    for (const [other, { button }] of this.#items) button.ariaCurrent = other === room ? 'true' : 'false';
    this.#unread(room, 0);
    this.#items.get(room).item.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  // missed counts a comment in a room that is not looked at.
  missed(room) {
    this.#unread(room, (this.#items.get(room)?.unread ?? 0) + 1);
  }

  #unread(room, count) {
    const item = this.#items.get(room);
    if (!item) return;
    item.unread = count;
    item.badge.hidden = count === 0;
    item.badge.textContent = count === 0 ? '' : count > MOST_COUNTED ? `${MOST_COUNTED}+` : number(count);
    name(item.badge, t('unread', { count: number(count) }));
  }

  // The last room is not left: a page is always in one.
  #showLeave() {
    for (const { leave } of this.#items.values()) leave.hidden = this.#items.size < 2;
  }
}
