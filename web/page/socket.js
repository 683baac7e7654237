// One connection to one room that comes back by itself.
//
// States, told to onState as objects: {name: 'connecting'}, 'open', 'waiting'
// (with retryAt, a Date.now() time) and 'stopped' (with reason): the server said
// not to come back, so only start() leaves that state. Browsers answer the
// protocol's pings on their own and give a page no way to send one.

import { backoffMs } from './backoff.js';

const CONNECT_TIMEOUT_MS = 15_000;
// A connection must last this long to count as a success: a server that accepts
// and hangs up at once is still backed away from.
const STEADY_MS = 10_000;
const MAX_UNSENT_BYTES = 64 * 1024;

export class Connection {
  #url;
  #onState;
  #onText;
  #socket = null;
  #timer = 0; // ends the wait for a retry, or the patience with an attempt
  #attempt = 0;
  #openedAt = 0;
  #state = 'stopped';

  constructor({ url, onState, onText }) {
    this.#url = url;
    this.#onState = onState;
    this.#onText = onText;
  }

  start() {
    this.#attempt = 0;
    this.#open();
  }

  // stop is final and silent: no callback runs after it.
  stop() {
    this.#drop();
    this.#state = 'stopped';
    this.#onState = this.#onText = () => {};
  }

  // retryNow ends a wait early: the network came back, or someone looks.
  retryNow() {
    if (this.#state === 'waiting') this.#open();
  }

  // renew also replaces a connection that looks open. After the machine was
  // offline it may be dead, and one that only listens would never notice.
  renew() {
    if (this.#state === 'waiting' || this.#state === 'open') this.#open();
  }

  send(text) {
    if (this.#state !== 'open' || this.#socket.bufferedAmount > MAX_UNSENT_BYTES) return false;
    this.#socket.send(text);
    return true;
  }

  #open() {
    this.#drop();
    const socket = new WebSocket(this.#url);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') this.#onText(data);
    };
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#closed(1006, ''), CONNECT_TIMEOUT_MS);
    this.#to({ name: 'connecting' });
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#openedAt = Date.now();
    this.#to({ name: 'open' });
  }

  #closed(code, reason) {
    const steady = this.#state === 'open' && Date.now() - this.#openedAt >= STEADY_MS;
    this.#drop();
    if (final(code)) {
      this.#to({ name: 'stopped', reason: reason || 'refused by the server' });
      return;
    }
    if (steady) this.#attempt = 0;
    const wait = backoffMs(this.#attempt++);
    this.#timer = setTimeout(() => this.#open(), wait);
    this.#to({ name: 'waiting', retryAt: Date.now() + wait });
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #to(state) {
    this.#state = state.name;
    this.#onState(state);
  }
}

// final reports a close code that means "do not come back as you are"; docs/interfaces.md
// has the codes.
function final(code) {
  return [1002, 1007, 1008, 1009].includes(code) || (code >= 4200 && code <= 4999);
}
