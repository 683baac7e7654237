// The page's connection by the client, its rooms, and what the page is told of them.
//
// One room is looked at. Its states, told as objects: {name: 'idle'}, 'connecting', 'open'
// (joined), 'waiting' (with retryAt, a Date.now() time), 'asleep' and 'stopped' (with
// reason): only reconnect() or another token leave that one.

import { Barrage } from './client.mjs';
import { t } from './messages.js';

const HISTORY = 50;
// Of what the server closes with: the token is too old, missing, refused.
const NO_TOKEN = [4101, 4201, 4202];

export class Session {
  #on;
  #client = null;
  #seats = new Map(); // by name: {room, joins, left: why it is not to be had}
  #looked = '';
  #token = '';
  #link = { state: 'connecting' };

  // on has state(state), welcome({name}), message(room, message, late), own(room, own),
  // gap(room, gap) and needsToken(reason). A late message was sent while the page was away.
  constructor(on) {
    this.#on = on;
  }

  // use goes on with another token, on a new connection.
  use(token) {
    const names = [...this.#seats.keys()];
    this.#token = token;
    this.#client?.close();
    this.#client = null;
    for (const name of names) this.#sit(name);
    this.#tell();
  }

  join(name) {
    if (!this.#seats.has(name)) this.#sit(name);
  }

  leave(name) {
    this.#seats.get(name)?.room.leave();
    this.#seats.delete(name);
  }

  // look chooses the room of which the state is told, and in which is published.
  look(name) {
    this.#looked = name;
    this.#tell();
  }

  // publish says whether it is under way, or waits for the connection.
  publish(data, options = {}) {
    const seat = this.#seats.get(this.#looked);
    if (!seat || seat.room.state === 'left' || this.#client.state === 'stopped') return false;
    seat.room.publish(data, options).catch(() => {}); // the event own tells
    return true;
  }

  // count asks how many are here. Over Server-Sent Events the connection cannot ask; and
  // where there are tokens, nobody else is told.
  async count() {
    const { room } = this.#seats.get(this.#looked);
    if (this.#link.via !== 'events') return room.count();
    if (this.#token !== '') return room;
    const response = await fetch(`./count?room=${encodeURIComponent(room.name)}`, { cache: 'no-store' });
    return { connections: (await response.json()).members };
  }

  // people resolves with {list, complete, users, connections}.
  people() {
    return this.#seats.get(this.#looked).room.presence();
  }

  reconnect() {
    for (const [name, { left }] of [...this.#seats]) if (left !== null) this.#sit(name);
    this.#client?.reconnect();
    this.#tell();
  }

  #sit(name) {
    const client = (this.#client ??= this.#connect());
    const room = client.room(name, { history: HISTORY, optimistic: true });
    const seat = { room, joins: 0, left: null };
    this.#seats.set(name, seat);
    room.on('joined', () => {
      seat.joins++;
      this.#tell();
    });
    room.on('message', (message) => this.#on.message(name, message, seat.joins > 1));
    room.on('own', (own) => this.#on.own(name, own));
    room.on('gap', (gap) => this.#on.gap(name, gap));
    room.on('left', ({ reason, error }) => this.#left(seat, error?.message ?? reason ?? '', error?.code));
  }

  #connect() {
    this.#link = { state: 'connecting' };
    const client = new Barrage(new URL('./ws', location.href).href, this.#token === '' ? {} : { token: this.#token });
    client.on('welcome', (who) => this.#on.welcome(who));
    client.on('state', (event) => {
      if (client !== this.#client) return;
      this.#link = event;
      this.#tell();
      if (event.state === 'stopped' && NO_TOKEN.includes(event.code)) this.#on.needsToken(event.reason ?? '');
    });
    return client;
  }

  #left(seat, reason, code) {
    seat.left = reason;
    this.#tell();
    if (code === 'unauthorized') this.#on.needsToken(reason);
  }

  #tell() {
    const { state, retryAt, reason } = this.#link;
    const seat = this.#seats.get(this.#looked);
    if (state === 'closed' || !seat) return;
    if (state === 'stopped') this.#on.state({ name: 'stopped', reason: reason || seat.left || t('refused') });
    else if (seat.left !== null) this.#on.state({ name: 'stopped', reason: seat.left || t('removed') });
    else if (state === 'open') this.#on.state({ name: seat.room.state === 'joined' ? 'open' : 'connecting' });
    else this.#on.state({ name: state, retryAt });
  }
}
