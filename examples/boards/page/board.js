// What all boards have: a connection, and what is newest of one thing.

import { Barrage } from 'http://127.0.0.1:8080/client.mjs';

export const $ = (id) => document.getElementById(id);

export function connect(options) {
  const client = new Barrage('ws://127.0.0.1:8080/ws', options);
  client.on('state', ({ state }) => {
    $('state').textContent = state;
    $('state').dataset.state = state;
  });
  return client;
}

// board draws what is there when the page opens, and each change.
export function board(client, name, draw) {
  client.room(name, { history: 1 }).on('message', ({ data, past }) => draw(data, past));
}

export function element(name, classes = '', text = '') {
  return Object.assign(document.createElement(name), { className: classes, textContent: text });
}
