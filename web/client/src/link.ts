// The link to the server: one socket at a time, that comes back by itself.
//
// A socket that was given up has no handlers any more: nothing of it is heard after the
// next one is opened. Waits are random from nothing up to a bound that doubles, the first
// one too, as a server that stops loses all its clients in one moment.

import type { Connect, Env, Nature, Socket } from './env.js';
import { Pulse } from './pulse.js';
import type { Push } from './types.js';

/**
 * Where a client is: `connecting`, `open`, `waiting` (for the next try), `asleep` (the page is
 * put away), `stopped` (the server said not to come back; `reconnect()` tries again all the
 * same), `closed` (by `close()`, for good).
 */
export type State = 'connecting' | 'open' | 'waiting' | 'asleep' | 'stopped' | 'closed';

/** A change of the state. */
export interface StateEvent {
  state: State;
  /** `waiting`: when the next try is, in milliseconds since 1970. */
  retryAt?: number;
  /** The close code of the connection before, 1006 if it just broke. */
  code?: number;
  reason?: string;
  /** `open`: how. */
  via?: 'websocket' | 'events';
}

const FIRST_WAIT_MS = 1_000;
const MAX_WAIT_MS = 30_000;
const CONNECT_MS = 10_000;
// A connection must last this long to count as a success: a server that welcomes and hangs
// up at once is still backed away from.
const STEADY_MS = 5_000;
// After a sleep sockets are mostly dead, and attempts that were under way hang.
const PROBE_MS = 2_500;
// Between tries that the page's awakenings ask for.
const AGAIN_MS = 1_000;

/** How to connect the next time. */
export interface Way {
  url: string;
  protocols: string[];
  connect: Connect;
  via: 'websocket' | 'events';
}

interface Handlers {
  /** May throw: the attempt has failed then. */
  way(): Promise<Way>;
  state(event: StateEvent): void;
  /** The first push, `welcome`: `ready` is to be called when commands may be sent. */
  welcome(push: Push, ready: () => void): void;
  push(push: Push): void;
  reply(reply: { id?: number }): void;
  down(): void;
  /** A try has failed or a connection ended; `heard`: the server had said something. */
  ended(via: Way['via'] | undefined, heard: boolean, code: number): void;
  /** A token may be old: whether another one can be had. */
  renew(): boolean;
  ping(): void;
}

interface Bye {
  code: number;
  reason: string;
  reconnect: boolean;
  wait?: number;
  error?: string;
}

export class Link implements Nature {
  state: State = 'waiting';
  private _socket: Socket | null = null;
  private _timer: unknown;
  private _failures = 0;
  private _began = -Infinity; // the last try
  private _notBefore = 0; // as the server asked
  private _welcomed = -1; // when; -1: not yet
  private _bye: Bye | null = null;
  private _way: Way | undefined;
  private _attempt = 0; // tells old attempts from the present one
  private _pulse: Pulse;

  constructor(
    private _env: Env,
    heartbeat: number,
    private _on: Handlers,
  ) {
    this._pulse = new Pulse(_env, heartbeat * 0.42, () => _on.ping(), () => this._ended(1006, 'no answer'));
    this._heartbeat = heartbeat > 0;
  }
  private _heartbeat: boolean;

  /** Sends if there is a connection. */
  send(object: object): void {
    try {
      this._socket?.send(JSON.stringify(object));
    } catch {
      // It is closing, and says so next.
    }
  }

  /** Connects now, whatever it was waiting for. */
  open(): void {
    if (this.state === 'closed') return;
    this._drop();
    const attempt = ++this._attempt;
    this._began = this._env.now();
    this._to({ state: 'connecting' });
    this._timer = this._env.setTimeout(() => this._ended(1006, 'no answer'), CONNECT_MS);
    this._on.way().then(
      (way) => attempt === this._attempt && this._connect(way),
      (error) => attempt === this._attempt && this._ended(1006, String(error?.message ?? error)),
    );
  }

  /** Ends everything: `closed` for good, the others until `open` or `wake`. */
  halt(state: 'closed' | 'stopped' | 'asleep', code?: number, reason?: string): void {
    if (this.state === 'closed') return;
    this._drop();
    this._attempt++;
    this._to({ state, ...(code ? { code } : {}), ...(reason ? { reason } : {}) });
  }

  wake(): void {
    const now = this._env.now();
    if (this.state === 'open') {
      if (this._heartbeat) this._pulse.probe(PROBE_MS);
    } else if (this.state === 'asleep' || this.state === 'waiting' || (this.state === 'connecting' && now - this._began > PROBE_MS)) {
      const wait = Math.max(this._notBefore - now, this._began + AGAIN_MS - now);
      if (wait > 0) this._wait(wait);
      else this.open();
    }
  }

  sleep(): void {
    if (this.state === 'closed' || this.state === 'stopped') return;
    this.halt('asleep');
    // A page that is not frozen after all has timers.
    this._timer = this._env.setTimeout(() => this.wake(), AGAIN_MS * 5);
  }

  offline(): void {
    if (this.state === 'open' && this._heartbeat) this._pulse.probe(PROBE_MS);
  }

  private _connect(way: Way): void {
    this._way = way;
    let socket: Socket;
    try {
      socket = way.connect(way.url, way.protocols);
    } catch (error) {
      this._ended(1006, String(error));
      return;
    }
    this._socket = socket;
    socket.onerror = () => {}; // onclose follows; Node's ws throws where nobody takes an error
    socket.onmessage = ({ data }) => {
      if (this._socket === socket) this._message(String(data));
    };
    socket.onclose = ({ code, reason }) => {
      if (this._socket === socket) this._ended(code || 1006, reason);
    };
  }

  private _message(text: string): void {
    this._pulse.heard();
    let object: Push & { id?: number };
    try {
      object = JSON.parse(text);
    } catch {
      return this._ended(1006, 'the server does not speak barrage.v1');
    }
    const { push } = object;
    if (!push) this._on.reply(object);
    else if (push === 'batch') (object['batch'] as Push[]).forEach((p) => this._push(p));
    else this._push(object);
  }

  private _push(push: Push): void {
    if (push.push === 'bye') this._bye = push as unknown as Bye;
    else if (push.push !== 'welcome') this._on.push(push);
    else if (this._welcomed < 0) {
      this._welcomed = this._env.now();
      const attempt = this._attempt;
      this._on.welcome(push, () => attempt === this._attempt && this._ready());
    }
  }

  private _ready(): void {
    this._env.clearTimeout(this._timer);
    this._notBefore = 0;
    if (this._heartbeat) this._pulse.start();
    this._to({ state: 'open', via: this._way!.via });
  }

  // _ended decides what comes after a connection, or a try.
  private _ended(code: number, reason: string): void {
    const bye = this._bye;
    const heard = this._welcomed >= 0 || !!bye;
    if (this._welcomed >= 0 && this._env.now() - this._welcomed >= STEADY_MS) this._failures = 0;
    this._drop();
    this._attempt++;
    this._on.ended(this._way?.via, heard, code);
    this._way = undefined;
    if (bye) ({ code, reason } = bye);
    const old = code === 4101 || /^token_(expired|not_yet)/.test(bye?.error ?? '');
    const back = old ? this._on.renew() : (bye?.reconnect ?? !final(code));
    if (!back) return this._to({ state: 'stopped', code, reason });
    const most = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** this._failures++);
    const wait = bye?.wait ?? this._env.random() * most;
    if (bye?.wait) this._notBefore = this._env.now() + wait;
    this._wait(wait, { code, reason });
  }

  private _wait(ms: number, why: { code?: number; reason?: string } = {}): void {
    this._drop();
    this._attempt++;
    this._timer = this._env.setTimeout(() => this.open(), ms);
    this._to({ state: 'waiting', retryAt: this._env.wall() + ms, ...why });
  }

  // _drop gives the socket up, and tells of it if there was a connection.
  private _drop(): void {
    this._env.clearTimeout(this._timer);
    this._pulse.stop();
    this._welcomed = -1;
    this._bye = null;
    const socket = this._socket;
    if (!socket) return;
    this._socket = null;
    socket.onmessage = socket.onclose = null;
    try {
      socket.close(1000);
    } catch {
      // It was none yet, or is none any more.
    }
    this._on.down();
  }

  private _to(event: StateEvent): void {
    this.state = event.state;
    this._on.state(event);
  }
}

// final reports a close code that means "do not come back as you are".
function final(code: number): boolean {
  return code === 1002 || code === 1007 || code === 1008 || code === 1009 || (code >= 4200 && code <= 4999);
}
