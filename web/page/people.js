// Who is here: the names that the server knows, and how many there are beside them.

import { avatar } from './avatar.js';
import { clean, MAX_NICK } from './comment.js';
import { number, t } from './messages.js';

export class People {
  #list;
  #rest;

  constructor(list, rest) {
    this.#list = list;
    this.#rest = rest;
  }

  // show takes what the server said, or null where it does not say.
  show(presence) {
    if (!presence) {
      this.#list.replaceChildren();
      this.#rest.textContent = t('notListed');
      return;
    }
    const { list = [], complete = true, users = 0, connections = 0 } = presence;
    this.#list.replaceChildren(...list.map(entry));
    const more = Math.max(0, connections - Math.max(users, list.length));
    const rest = more > 0 ? t('moreAnonymous', { count: number(more) }) : '';
    this.#rest.textContent = list.length === 0 ? [t('nobody'), rest].join(' ') : complete ? rest : t('morePeople');
  }
}

function entry(person) {
  const item = document.createElement('li');
  const shown = clean(person.name || person.user, MAX_NICK) || t('anonymous');
  const label = document.createElement('span');
  label.className = 'nick';
  label.dir = 'auto';
  label.textContent = shown;
  const status = document.createElement('span');
  status.className = 'status';
  status.dir = 'auto';
  status.textContent = typeof person.status === 'string' ? clean(person.status, MAX_NICK) : '';
  item.append(avatar(shown, person.avatar), label, status);
  return item;
}
