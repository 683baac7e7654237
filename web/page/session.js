// The page's place in a room: one connection by the client, and what the page is told of it.
//
// States, told as objects: {name: 'idle'}, 'connecting', 'open' (joined), 'waiting' (with
// retryAt, a Date.now() time), 'asleep' and 'stopped' (with reason): only reconnect(),
// another room or another token leave that one.

import { Barrage } from './client.mjs';

const HISTORY = 50;
// Of what the server closes with: the token is too old, missing, refused.
const NO_TOKEN = [4101, 4201, 4202];

export class Session {
  #on;
  #client = null;
  #room = null;
  #name = '';
  #token = '';
  #stopped = null; // why the room is not to be had, beside the connection
  #joins = 0;
  #link = { state: 'connecting' };

  // on has state(state), message(message, late), own(own), gap(gap), counts(counts), and
  // needsToken(reason). A late message was sent while the page was away.
  constructor(on) {
    this.#on = on;
  }

  // use goes on with another token, on a new connection.
  use(token) {
    this.#token = token;
    this.#client?.close();
    this.#client = null;
    this.#room = null;
    if (this.#name !== '') this.join(this.#name);
  }

  join(name) {
    this.#room?.leave();
    this.#name = name;
    this.#joins = 0;
    this.#stopped = null;
    const client = (this.#client ??= this.#connect());
    const room = (this.#room = client.room(name, { history: HISTORY, optimistic: true }));
    room.on('joined', () => {
      this.#joins++;
      this.#tell();
    });
    room.on('message', (message) => this.#on.message(message, this.#joins > 1));
    room.on('own', (own) => this.#on.own(own));
    room.on('gap', (gap) => this.#on.gap(gap));
    room.on('counts', (counts) => this.#on.counts(counts));
    room.on('left', ({ reason, error }) => this.#left(error?.message ?? reason ?? '', error?.code));
    this.#tell();
  }

  // publish says whether the comment is under way, or waits for the connection.
  publish(data) {
    if (!this.#room || this.#room.state === 'left' || this.#client.state === 'stopped') return false;
    this.#room.publish(data).catch(() => {}); // the event own tells
    return true;
  }

  // count asks how many are here. Over Server-Sent Events the connection cannot ask; and
  // where there are tokens, nobody else is told.
  async count() {
    if (this.#link.via !== 'events') return this.#room.count();
    if (this.#token !== '') return this.#room;
    const response = await fetch(`./count?room=${encodeURIComponent(this.#name)}`, { cache: 'no-store' });
    return { connections: (await response.json()).members };
  }

  reconnect() {
    if (this.#stopped !== null) this.join(this.#name);
    this.#client?.reconnect();
  }

  #connect() {
    this.#link = { state: 'connecting' };
    const client = new Barrage(new URL('./ws', location.href).href, this.#token === '' ? {} : { token: this.#token });
    client.on('state', (event) => {
      if (client !== this.#client) return;
      this.#link = event;
      this.#tell();
      if (event.state === 'stopped' && NO_TOKEN.includes(event.code)) this.#on.needsToken(event.reason ?? '');
    });
    return client;
  }

  #left(reason, code) {
    this.#stopped = reason;
    this.#tell();
    if (code === 'unauthorized') this.#on.needsToken(reason);
  }

  #tell() {
    const { state, retryAt, reason } = this.#link;
    if (state === 'closed') return;
    if (state === 'stopped') this.#on.state({ name: 'stopped', reason: reason || this.#stopped || 'refused by the server' });
    else if (this.#stopped !== null) this.#on.state({ name: 'stopped', reason: this.#stopped || 'taken out of the room' });
    else if (state === 'open') this.#on.state({ name: this.#room.state === 'joined' ? 'open' : 'connecting' });
    else this.#on.state({ name: state, retryAt });
  }
}
