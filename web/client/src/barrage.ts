// The client: one connection, its rooms, what is published and asked over it.

import { encode } from './base64.js';
import { Calls, type Done, type Reply } from './calls.js';
import { Emitter } from './emitter.js';
import { type Connect, type Env, host, type Nature, watchPage } from './env.js';
import { BarrageError } from './errors.js';
import { Link, type State, type StateEvent, type Way } from './link.js';
import { Outbox } from './outbox.js';
import { type PublishOptions, Room, type RoomOptions } from './room.js';
import { Token, type TokenSource } from './token.js';
import { Direct, type Ways } from './ways.js';
import type { Command, Counts, Message, Published, Push } from './types.js';

/** Settings of a client; all have a default. */
export interface Options {
  /** A JWT or a key, or what gets one: it is asked again before one expires, and when one is refused as expired. */
  token?: TokenSource;
  /** What a backend is told first, where the server is set up so (`connect_by: message`). */
  login?: string;
  /** Opens sockets: default `new WebSocket`. See the adapters for mini programs, and Node's `ws`. */
  connect?: Connect;
  /** Tells when the place that it runs in sleeps, wakes, or has no network: default what a page does. */
  watch?: (on: Nature) => () => void;
  /** Notice a dead connection after so many milliseconds: default 10,000; 0: only when the browser does. */
  heartbeat?: number;
  /** How many messages may wait to be published: default 100. Beyond it the oldest fails with `queue_full`. */
  queue?: number;
  /** Acknowledge direct messages by oneself, with `ack`: default false, which is after all handlers ran. */
  manualAck?: boolean;
  /** Where WebSocket fails use Server-Sent Events and POST: default true. Not in `barrage-client/core`. */
  fallback?: boolean;
  /** Let the server send several messages in one frame, where it compresses: default true. */
  batch?: boolean;
  /** Clock, timers and chance, for tests. */
  env?: Partial<Env>;
}

/** The events of a client. */
export interface BarrageEvents {
  state: StateEvent;
  /** The server knows this client by this user, if it has one; `message` is a backend's, for people. */
  welcome: { user?: string; name?: string; message?: string };
  /** A message to this user, of whoever wrote it. It is acknowledged once all handlers ran without an error. */
  direct: Message;
  /** The server put this connection into a room by itself. */
  room: Room;
  /** What is nobody's fault to handle: a token that could not be had, for instance. */
  error: BarrageError;
  /** Any other push, such as `request` and `cancel` of a worker. */
  push: Push;
}

const ACK_MS = 100;
const ASK_MS = 15_000;
const OWN_CONNECTIONS = 100; // that many, the newest, are known as this client's
const OWN_MESSAGES = 100;

/**
 * A client of a Barrage server. It connects at once, comes back by itself, and ends with
 * `close()`.
 *
 * ```js
 * const barrage = new Barrage('wss://example.com/ws')
 * const room = barrage.room('lobby')
 * room.on('message', (m) => show(m.data))
 * await room.publish('hello')
 * ```
 */
export class Barrage extends Emitter<BarrageEvents> {
  private _env: Env;
  private _calls: Calls;
  private _outbox: Outbox;
  private _link: Link;
  private _token: Token;
  private _ways: Ways;
  private _rooms = new Map<string, Room<never>>();
  private _conns = new Set<string>(); // this client's connections, the present one last
  private _posted = new Set<string>(); // ids of what was published, the newest
  private _compress = true;
  private _user: string | undefined;
  private _ack: { epoch: string; offset: number } | undefined; // not taken note of yet
  private _ackTimer: unknown;
  private _unwatch: () => void;
  private _pinged = 0;
  private _url: string;

  /** `url` is the server's `/ws`: `wss://…`, `https://…`, or a path of the page's own host. */
  constructor(url = '/ws', protected _options: Options = {}) {
    super();
    const env = (this._env = { ...host, ..._options.env });
    this._url = absolute(url);
    this._calls = new Calls(env, (command) => this._link.send(command));
    this._outbox = new Outbox(env, this._calls, _options.queue ?? 100, ({ room }) => this._rooms.get(room as string)?.state !== 'joining');
    this._token = new Token(env, _options.token, {
      fresh: (token) => this._auth({ token }),
      failed: (error) => this._emit('error', error),
    });
    const connect = _options.connect ?? ((u: string, p: string[]) => new WebSocket(u, p) as never);
    this._ways = this._choose(env, this._url, connect, () => this._link.state === 'open' && this._link.open());
    this._link = new Link(env, _options.heartbeat ?? 10_000, {
      way: () => this._way(),
      state: (event) => this._state(event),
      welcome: (push, ready) => this._welcome(push, ready),
      push: (push) => this._push(push),
      reply: (reply) => this._calls.reply(reply as Reply),
      down: () => this._down(),
      ended: (via, heard, code) => this._ended(via, heard, code),
      renew: () => this._token.renew(),
      ping: () => this._ping(),
    });
    this._unwatch = (_options.watch ?? watchPage)(this._link);
    Promise.resolve().then(() => this._link.state === 'waiting' && this._link.open());
  }

  /** @internal Overridden where there is another way than WebSocket. */
  _choose(_env: Env, url: string, connect: Connect, _reopen: () => void): Ways {
    return new Direct(url, connect);
  }

  /** Where the connection is. */
  get state(): State {
    return this._link.state;
  }

  /** The user that the token says, if any. */
  get user(): string | undefined {
    return this._user;
  }

  /** How many messages wait to be published. */
  get queued(): number {
    return this._outbox.length;
  }

  /** The room of this name, joined as soon as there is a connection. The same one until it is left. */
  room<T = unknown>(name: string, options: RoomOptions<T> = {}): Room<T> {
    name = name.normalize('NFC');
    const known = this._rooms.get(name);
    if (known) return known as unknown as Room<T>;
    const room = this._add(name, options);
    if (this._link.state === 'closed') room._end(closed());
    else room._up();
    return room;
  }

  /** Publishes to a user: as {@link Room.publish}, and tells in `online` whether they are connected. */
  send(user: string, data: unknown, options: PublishOptions = {}): Promise<Published> {
    return new Promise((resolve, reject) => this._publish({ to: user }, data, options, (error, ok) => (error ? reject(error) : resolve(ok))));
  }

  /** Acknowledges a direct message and all before it. */
  ack({ epoch, offset }: Message): void {
    if (!epoch || !offset || (this._ack?.epoch === epoch && this._ack.offset >= offset)) return;
    this._ack = { epoch, offset };
    if (this._ackTimer) return;
    this._ackTimer = this._env.setTimeout(() => this._sendAck(), ACK_MS);
  }

  /**
   * Asks a program behind the server, or a worker. Fails with its error, and with
   * `disconnected` if the connection breaks meanwhile: it is not asked twice.
   */
  async request<Answer = unknown>(method: string, data?: unknown, options: { room?: string; timeout?: number; redeliver?: boolean } = {}): Promise<Answer> {
    const command: Command = { cmd: 'request', method, ...(data === undefined ? {} : { data }), ...options };
    const ok = await this._calls.ask<{ data: Answer }>(command, (options.timeout ?? ASK_MS) + 5_000);
    return ok.data;
  }

  /** Whether a user is online, and when they were here last, in milliseconds since 1970. */
  lastSeen(user: string): Promise<{ user: string; online: boolean; last_seen?: number }> {
    return this._calls.ask({ cmd: 'last_seen', user }, ASK_MS, true);
  }

  /** Sends any command, once there is a connection, and resolves with the `ok` of its reply. It is sent once. */
  command<Ok = Record<string, unknown>>(command: Command, timeout = ASK_MS): Promise<Ok> {
    return this._calls.ask(command, timeout);
  }

  /** Tries now: ends a wait, or what the server stopped. Nothing if there is a connection. */
  reconnect(): void {
    if (this._link.state !== 'open' && this._link.state !== 'connecting') this._link.open();
  }

  /** Ends everything, for good: what waits fails with `closed`. */
  close(): void {
    if (this._link.state === 'closed') return;
    this._unwatch();
    this._token.stop();
    this._ways.stop();
    this._env.clearTimeout(this._ackTimer);
    this._link.halt('closed');
    this._fail(closed());
  }

  private _fail(error: BarrageError): void {
    for (const room of [...this._rooms.values()]) room._end(error);
    this._calls.fail(error);
    this._outbox.fail(error);
  }

  private async _way(): Promise<Way> {
    const token = await this._token.get();
    const protocols = ['barrage.v1', ...(token ? ['bearer.' + token] : [])];
    const query = [...(this._options.batch ?? true ? ['batch=1'] : []), ...(this._compress ? [] : ['compress=0'])];
    return this._ways.way(query.join('&'), protocols, token);
  }

  private _state(event: StateEvent): void {
    if (event.state === 'stopped') {
      const error = new BarrageError('stopped', event.reason || 'the server said not to come back');
      this._calls.fail(error);
      this._outbox.fail(error);
    }
    if (event.state === 'connecting') this._calls.begin();
    this._emit('state', event);
  }

  private _ended(via: Way['via'] | undefined, heard: boolean, code: number): void {
    // Some browsers cannot inflate: the server's second compressed message ends it.
    if (code === 1007) this._compress = false;
    this._ways.ended(via, heard, code);
  }

  private _welcome(push: Push, ready: () => void): void {
    const conn = String(push['conn'] ?? '');
    this._conns.delete(conn);
    if (conn) this._conns.add(conn);
    if (this._conns.size > OWN_CONNECTIONS) this._conns.delete(this._conns.values().next().value!);
    this._known(push, Number(push['time']));
    const { login } = this._options;
    if (push['auth'] !== 'required' || (!login && !this._options.token)) return this._ready(ready);
    this._calls.up(() => this._auth(login ? { login } : { token: this._token.value }, () => this._ready(ready)));
  }

  private _ready(ready: () => void): void {
    ready();
    if (this._link.state !== 'open') return;
    this._calls.up(() => this._rooms.forEach((room) => room._up()));
    if (this._ack) this._sendAck();
    this._outbox.up();
  }

  // _auth says who this is; without `then` it is again.
  private _auth(who: object, then?: () => void): void {
    this._calls.send<Record<string, unknown>>({ cmd: 'auth', ...who }, ASK_MS, (error, ok) => {
      if (!error) this._known(ok);
      else if (error.code !== 'disconnected' && error.code !== 'closed') this._emit('error', error);
      if (!error) then?.();
      else if (then && error.code !== 'disconnected') this._link.halt('stopped', 4202, error.message);
    });
  }

  private _known(who: Record<string, unknown>, time = this._env.wall()): void {
    const { user, name, message, expires } = who as { user?: string; name?: string; message?: string; expires?: number };
    this._user = user;
    if (expires) this._token.lasts(expires - time);
    this._emit('welcome', { ...(user ? { user } : {}), ...(name ? { name } : {}), ...(message ? { message } : {}) });
  }

  private _blind(): boolean {
    return this._ways.via === 'events';
  }

  private _down(): void {
    this._token.stop();
    this._calls.down();
    this._outbox.down();
    this._rooms.forEach((room) => room._down());
  }

  private _push(push: Push): void {
    const name = push.room;
    if (name === undefined) return void this._emit('push', push);
    const mine = name === 'user:' + this._user; // it may speak before it says that it is joined
    let room = this._rooms.get(name);
    if (!room && (mine || push.push === 'joined')) {
      room = this._add(name, {}, true);
      if (mine) room.on('message', (m) => this._direct(m));
      else this._emit('room', room as unknown as Room);
    }
    room?._push(push);
  }

  private _add<T>(name: string, options: RoomOptions<T>, served = false): Room<T> {
    const room = new Room<T>(name, options, {
      env: this._env,
      calls: this._calls,
      isOpen: () => this._link.state === 'open',
      isOwn: (m) => (m.sender?.conn ? this._conns.has(m.sender.conn) : this._posted.has(m.id)),
      publish: (to, data, o, done) => this._publish(to, data, o, done),
      underWay: () => this._outbox.underWay(name, this._blind()),
      blind: () => this._blind(),
      answered: (id) => this._posted.has(id),
      newKey: () => this._newKey(),
      forget: (r) => {
        if (this._rooms.get(name) === r) this._rooms.delete(name);
        this._outbox.pump();
      },
      joined: () => this._outbox.pump(),
    }, served);
    this._rooms.set(name, room as unknown as Room<never>);
    return room;
  }

  private _direct(message: Message): void {
    const fine = this._emit('direct', message);
    if (fine && this._count('direct') && !this._options.manualAck) this.ack(message);
  }

  private _sendAck(): void {
    this._env.clearTimeout(this._ackTimer);
    this._ackTimer = undefined;
    const ack = this._ack;
    if (!ack || this._link.state !== 'open') return;
    this._calls.send({ cmd: 'ack', ...ack }, ASK_MS, (error) => {
      if (!error && this._ack === ack) this._ack = undefined;
    });
  }

  private _publish(to: { room?: string; to?: string }, data: unknown, options: PublishOptions, done: Done<Published>): void {
    const { deadline = 60_000, key = this._newKey(), ...rest } = options;
    const state = this._link.state;
    if (state === 'closed' || state === 'stopped') return done(state === 'closed' ? closed() : new BarrageError('stopped', 'the server said not to come back'), { message_id: '' });
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
    const command: Command = { cmd: 'publish', ...to, ...(bytes instanceof Uint8Array ? { base64: encode(bytes) } : { data: data ?? null }), key, ...rest };
    this._outbox.add({
      command: JSON.parse(JSON.stringify(command)) as Command, // as it is now: the page may go on with its object
      lane: to.room ?? 'user:' + to.to,
      until: this._env.now() + deadline,
      done: (error, ok) => {
        if (!error) this._remember(ok.message_id);
        done(error, ok);
      },
    });
  }

  private _remember(id: string): void {
    this._posted.add(id);
    if (this._posted.size > OWN_MESSAGES) this._posted.delete(this._posted.values().next().value!);
  }

  private _newKey(): string {
    let key = '';
    while (key.length < 24) key += this._env.random().toString(36).slice(2, 10);
    return key.slice(0, 24);
  }

  // _ping asks for a sign of life, and for the counts of one room after the other.
  private _ping(): void {
    const counted = !this._blind();
    const rooms = [...this._rooms.values()].filter((r) => counted && r.state === 'joined' && r._count('counts'));
    const room = rooms[this._pinged++ % (rooms.length || 1)];
    this._calls.send<Counts>({ cmd: 'ping', ...(room ? { room: room.name } : {}) }, ASK_MS, (error, ok) => {
      if (!error && room && room.state !== 'left') room._counts(ok);
    });
  }
}

function closed(): BarrageError {
  return new BarrageError('closed', 'the client was closed');
}

// absolute makes a WebSocket's URL of what a page writes.
function absolute(url: string): string {
  if (url.startsWith('/')) url = location.origin + url;
  return url.replace(/^http/, 'ws');
}
