// The way where a network breaks WebSocket: event streams.
//
// A try by WebSocket that fails before its first message is followed by one by events.
// Where that comes through, events are what is used for a while, and remembered for the
// next page; after that WebSocket is tried again.

import type { Connect, Env } from './env.js';
import { events } from './events.js';
import type { Way } from './link.js';
import { Direct } from './ways.js';

const KEEP_MS = 10 * 60_000;
const KEY = 'barrage:events';

export class Fallback extends Direct {
  private _failed = false; // the last WebSocket never said anything
  private _until: number; // by wall(): events until then
  private _timer: unknown;

  constructor(
    private _env: Env,
    private _to: string,
    connect: Connect,
    private _reopen: () => void,
  ) {
    super(_to, connect);
    this._until = Number(remembered(KEY + this._to));
  }

  override way(query: string, protocols: string[], token = ''): Way {
    const byEvents = this._failed || this._env.wall() < this._until;
    this.via = byEvents ? 'events' : 'websocket';
    this._env.clearTimeout(this._timer);
    if (!byEvents) return super.way(query, protocols);
    if (!this._failed) this._return(this._until - this._env.wall());
    return { via: 'events', url: this._to, protocols, connect: () => events(this._env, this._to, token) };
  }

  // By events: they work where WebSocket did not.
  override heard(): void {
    if (this.via !== 'events' || !this._failed) return;
    this._failed = false;
    this._until = this._env.wall() + KEEP_MS;
    remember(KEY + this._to, String(this._until));
    this._return(KEEP_MS);
  }

  // _return tries WebSocket again after so many milliseconds.
  private _return(ms: number): void {
    this._env.clearTimeout(this._timer);
    this._timer = this._env.setTimeout(() => {
      this._until = 0;
      this._reopen();
    }, ms);
  }

  override ended(via?: Way['via'], heard = false): void {
    if (via === 'websocket') this._failed = !heard;
    else if (via === 'events' && !heard) {
      this._failed = false; // the server is away, or this is another network
      this._until = 0;
    }
  }

  override stop(): void {
    this._env.clearTimeout(this._timer);
  }
}

// Storage may be absent, full or forbidden.
function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // The next page finds out by itself.
  }
}
