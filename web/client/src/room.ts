// A room: joined once however often that is asked, and joined again after each cut.

import { decode } from './base64.js';
import type { Calls, Done } from './calls.js';
import { Echo } from './echo.js';
import { Emitter } from './emitter.js';
import type { Env } from './env.js';
import { BarrageError, passing } from './errors.js';
import { Stream } from './stream.js';
import type { Command, Counts, Gap, Joined, Message, OwnMessage, Person, Position, Presence, Published, Push, WireMessage } from './types.js';

/** How to be in a room. */
export interface RoomOptions<T = unknown> {
  /** Bring so many messages of before (up to 1000), if there is no `since`. */
  history?: number;
  /** Go on behind this position, kept from an earlier page for instance. */
  since?: Position;
  /** Tell who comes and goes, by the event `presence`. */
  presence?: boolean;
  /** See, and be in no list or count that others get. */
  hidden?: boolean;
  /** Tell own messages at once and only by the event `own`, not by `message`. */
  optimistic?: boolean;
  /** Fetch what this client was too slow for, or was away too long for, from the room's history: default true. */
  fill?: boolean;
  /**
   * Brings from elsewhere what the server has no more, within 10 seconds: messages behind the gap wait for it.
   * The event `gap` comes only if it gives nothing, or fails.
   */
  load?: (gap: Gap) => Promise<Iterable<Message<T>> | undefined>;
}

/** How to publish. */
export interface PublishOptions {
  /** What it is: up to 64 printable ASCII characters. */
  kind?: string;
  /** Repetitions with the same key are one message: up to 128 bytes. Default a random one. */
  key?: string;
  /** Keep it out of the history. */
  forget?: boolean;
  /** It is of no use after so many milliseconds. */
  ttl?: number;
  /** To a user, 1: push it until it is acknowledged. */
  qos?: 0 | 1;
  /** Give up after so many milliseconds (default 60,000). */
  deadline?: number;
}

/** The events of a room. */
export interface RoomEvents<T> {
  message: Message<T>;
  /** Own messages, with {@link RoomOptions.optimistic}: when they are published, and when that is decided. */
  own: OwnMessage<T>;
  gap: Gap;
  presence: Presence;
  counts: Counts;
  /** Joined, also again after a cut; `resumed`: nothing is missing. */
  joined: { resumed: boolean };
  /** Taken out of the room, or not let in; after a `leave()` there is none. */
  left: { reason?: string; error?: BarrageError };
}

/** @internal What a room needs of its client. */
export interface RoomHost {
  env: Env;
  calls: Calls;
  isOpen(): boolean;
  isOwn(message: WireMessage): boolean;
  publish(to: { room?: string; to?: string }, data: unknown, options: PublishOptions, done: Done<Published>): void;
  underWay(): unknown;
  blind(): boolean;
  answered(id: string): boolean;
  newKey(): string;
  forget(room: Room<never>): void;
  joined(): void;
}

const JOIN_MS = 30_000;
const ASK_MS = 15_000;
const MAX_RETRY_MS = 30_000;

/** A room that the client is in, or wants to be in. Made by {@link Barrage.room}. */
export class Room<T = unknown> extends Emitter<RoomEvents<T>> {
  /** `joining`: also while there is no connection. */
  state: 'joining' | 'joined' | 'left' = 'joining';
  users = 0;
  connections = 0;

  private _stream: Stream<T>;
  private _echo: Echo<T> | undefined;
  private _asked = false; // a join is under way
  private _once = false; // joined before
  private _tries = 0;
  private _timer: unknown;
  private _status: object | undefined;
  private _waiting: [resolve: () => void, reject: (error: BarrageError) => void][] = [];

  /** @internal */
  constructor(
    readonly name: string,
    private _options: RoomOptions<T>,
    private _host: RoomHost,
    private _served = false, // the server puts the connection in by itself
  ) {
    super();
    this._stream = new Stream<T>(_host.env, name, _host.calls, _options.fill ?? true, {
      message: (m, past) => this._message(m, past),
      loaded: (m) => this._emit('message', m),
      gap: (gap) => this._emit('gap', gap),
      load: _options.load,
    });
    this._stream.position = _options.since;
    if (_options.optimistic) this._echo = new Echo<T>((own) => this._emit('own', own), (m) => this._tell(m, false, _host.isOwn(m)), () => _host.underWay(), () => _host.blind(), (id) => _host.answered(id));
  }

  /** Where this client is in the room: what it would go on behind. Absent: nowhere yet. */
  get position(): Position | undefined {
    return this._stream.position;
  }

  /** Resolves when the room is joined; fails if it cannot be, or is left before. */
  joined(): Promise<void> {
    if (this.state === 'joined') return Promise.resolve();
    if (this.state === 'left') return Promise.reject(new BarrageError('left', `the room ${this.name} was left`));
    return new Promise((resolve, reject) => this._waiting.push([resolve, reject]));
  }

  /**
   * Leaves. No handler of this room hears anything from now on. Resolves when the server has
   * taken note, or will not hear of the room again; offline at once.
   */
  leave(): Promise<void> {
    const sent = this._asked || this.state === 'joined';
    if (this.state === 'left') return Promise.resolve();
    this._end(new BarrageError('left', `the room ${this.name} was left`));
    if (!sent || !this._host.isOpen()) return Promise.resolve();
    return new Promise((resolve) => this._host.calls.send({ cmd: 'leave', room: this.name }, ASK_MS, () => resolve()));
  }

  /**
   * Publishes any JSON value, or bytes. It is queued while there is no connection, and sent
   * again until it is answered. Fails with what the server says, or with `timeout`,
   * `queue_full`, `closed`.
   */
  publish(data: T, options: PublishOptions = {}): Promise<Published> {
    const key = options.key ?? this._host.newKey();
    const { kind } = options;
    const own: OwnMessage<T> = { key, room: this.name, data, ...(kind ? { kind } : {}), time: this._host.env.wall(), state: 'pending' };
    this._echo?.begin(own);
    return new Promise((resolve, reject) => {
      this._host.publish({ room: this.name }, data, { ...options, key }, (error, ok) => {
        this._echo?.end(own, error, ok);
        if (error) reject(error);
        else resolve(ok);
      });
    });
  }

  /**
   * Messages of before, the newest `limit` (50; at most 1000) of them before `before` or at
   * all. For the next page give the `before` of this one; absent: there is nothing older.
   */
  async history({ before, limit = 50 }: { before?: Position; limit?: number } = {}): Promise<{ messages: Message<T>[]; before?: Position }> {
    const command: Command = { cmd: 'history', room: this.name, limit };
    if (before) command['since'] = { epoch: before.epoch, offset: Math.max(0, before.offset - 1 - limit) };
    const ok = await this._ask<{ messages?: WireMessage[]; epoch?: string; gap?: Gap }>(command);
    const wire = (ok.messages ?? []).filter((m) => !before || (m.epoch === before.epoch && m.offset! < before.offset));
    const messages = wire.map((m) => this._make(m, true));
    const first = wire[0];
    // A page of expired messages is empty, and there may be others before it.
    const at = first?.offset ?? (before ? before.offset - limit : 1);
    const epoch = first?.epoch ?? before?.epoch;
    return { messages, ...(epoch && at > 1 && !ok.gap ? { before: { epoch, offset: at } } : {}) };
  }

  /** Who is in the room: up to `limit` (100; at most 500) users. */
  presence(limit = 100): Promise<Counts & { list: Person[]; complete?: boolean }> {
    return this._ask({ cmd: 'presence', room: this.name, limit });
  }

  /** How many are in the room, asked now. */
  async count(): Promise<Counts> {
    const counts = await this._ask<Counts>({ cmd: 'ping', room: this.name });
    this._counts(counts);
    return counts;
  }

  /** Says what this user does here: `status` up to 64 bytes, `data` up to 512. Said again after each cut. */
  setStatus(status?: string, data?: unknown): Promise<void> {
    this._status = { ...(status === undefined ? {} : { status }), ...(data === undefined ? {} : { data }) };
    return this._say();
  }

  private _say(): Promise<void> {
    return this._host.calls.ask({ cmd: 'presence_update', room: this.name, ...this._status }, ASK_MS, true);
  }

  private _ask<Ok>(command: Command): Promise<Ok> {
    return this._host.calls.ask(command, ASK_MS, true);
  }

  /** @internal There is a connection: join. */
  _up(): void {
    if (this._asked || this.state !== 'joining' || this._served || !this._host.isOpen()) return;
    this._asked = true;
    const { history, presence, hidden } = this._options;
    const command: Command = { cmd: 'join', room: this.name };
    const since = this.position;
    if (since) command['since'] = since;
    else if (history && !this._once) command['history'] = history;
    if (presence) command['presence'] = true;
    if (hidden) command['hidden'] = true;
    this._host.calls.send<Joined>(command, JOIN_MS, (error, ok) => {
      this._asked = false;
      if (this.state === 'left' || error?.code === 'disconnected') return;
      if (!error) this._joined(ok);
      else if (error.code === 'already_joined') this._joined({});
      else if (error.code === 'timeout' || passing(error)) this._retry(error);
      else this._end(error, { error });
    });
  }

  private _retry({ retryAfter }: BarrageError): void {
    const { env } = this._host;
    const most = Math.min(MAX_RETRY_MS, 1000 * 2 ** this._tries++);
    this._timer = env.setTimeout(() => this._up(), retryAfter ?? env.random() * most);
  }

  /** @internal The reply to a join, or the push `joined`. */
  _joined(ok: Joined): void {
    if (this.state === 'left') return;
    const { epoch, offset = 0, gap } = ok;
    const at = this.position;
    const again = this._once;
    this.state = 'joined';
    this._once = true;
    this._tries = 0;
    this._emit('joined', { resumed: !!ok.resumed });
    this._waiting.splice(0).forEach(([resolve]) => resolve());
    if (gap) this._stream.gap({ ...gap, room: this.name });
    else if (again && !ok.resumed && epoch) this._unresumed(at, epoch, offset);
    for (const m of ok.messages ?? []) this._stream.message({ epoch: epoch!, ...m }, true);
    this._stream.head(ok);
    this._counts(ok);
    if (again && this._status) this._say().catch(() => {});
    this._host.joined();
  }

  // _unresumed is for a room that the client is in again, but not behind its position: the
  // server had put it in by itself, or there was no position.
  private _unresumed(at: Position | undefined, epoch: string, offset: number): void {
    const room = this.name;
    if (!at) offset && this._stream.gap({ room, reason: 'unknown', epoch, to: offset });
    else if (at.epoch !== epoch) this._stream.gap({ room, reason: 'epoch', epoch: at.epoch, from: at.offset + 1 });
    else if (at.offset < offset) this._stream.gap({ room, reason: 'large', epoch, from: at.offset + 1, to: offset });
  }

  /** @internal The connection is gone. */
  _down(): void {
    this._host.env.clearTimeout(this._timer);
    this._asked = false;
    if (this.state === 'left') return;
    this.state = 'joining';
    this._stream.down();
  }

  /** @internal */
  _push(push: Push): void {
    // What comes before a join is answered is of an earlier stay in the room.
    if (push.push === 'joined') this._joined(push as Joined);
    else if (push.push === 'left') this._left(push);
    else if (this.state !== 'joined' && !(this._served && push.push === 'message' && !push['offset'])) return;
    else if (push.push === 'message') this._stream.message(push as unknown as WireMessage, false);
    else if (push.push === 'gap') this._stream.gap(without(push) as unknown as Gap);
    else if (push.push === 'presence') {
      this._counts(push as unknown as Counts);
      this._emit('presence', without(push) as unknown as Presence);
    }
  }

  private _left({ reason, error }: Push): void {
    const e = error as { code: string; message: string } | undefined;
    const why = e ? new BarrageError(e.code, e.message) : undefined;
    this._end(why ?? new BarrageError('left', String(reason)), why ? { error: why } : { reason: String(reason) });
  }

  /** @internal Ends the room, and tells `left` if it is given. */
  _end(error: BarrageError, left?: RoomEvents<T>['left']): void {
    this.state = 'left';
    this._host.env.clearTimeout(this._timer);
    this._host.forget(this as unknown as Room<never>);
    this._stream.stop();
    this._waiting.splice(0).forEach(([, reject]) => reject(error));
    if (left) this._emit('left', left);
  }

  private _message(m: WireMessage, past: boolean): void {
    const own = this._host.isOwn(m);
    if (!this._echo?.claim(m, own)) this._tell(m, past, own);
  }

  private _tell(m: WireMessage, past: boolean, own: boolean): void {
    if (this.state !== 'left') this._emit('message', { ...this._make(m, past), own });
  }

  private _make({ base64, ...m }: WireMessage, past: boolean): Message<T> {
    const data = (base64 === undefined ? m.data : decode(base64)) as T;
    return { ...without(m), room: this.name, data, own: this._host.isOwn(m as WireMessage), past };
  }

  /** @internal */
  _counts({ users, connections }: Partial<Counts>): void {
    if (users === undefined || connections === undefined || (users === this.users && connections === this.connections)) return;
    this.users = users;
    this.connections = connections;
    this._emit('counts', { users, connections });
  }
}

// without leaves out what tells pushes apart.
function without<P extends object>({ push: _, ...rest }: P & { push?: string }): Omit<P, 'push'> {
  return rest;
}
