// The way where a network breaks WebSocket: event streams.
//
// WebSocket is broken where it says nothing although the server answers a plain request. Of
// one that opened, or where WebSocket has worked before, that has to happen twice in a row:
// it may have been a cut. A close code that only a server gives has got through, too. Then
// events are what is used, for a while if they get through, and remembered for the next
// page; after that WebSocket is tried again.

import type { Connect, Env } from './env.js';
import { events, reach } from './events.js';
import type { Way } from './link.js';
import { Direct } from './ways.js';

const KEEP_MS = 10 * 60_000;
const TRIAL_MS = 60_000; // where WebSocket has worked before, or events have not shown yet that they do
const KEY = 'barrage:events';

export class Fallback extends Direct {
  private _mute = 0; // WebSockets in a row that said nothing although the server answered
  private _asking: Promise<void> | undefined; // whether it answers
  private _opened = false; // the last WebSocket did
  private _spoke = false; // one has, since they were last given another chance
  private _proven = false; // something came by the present events
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

  override async way(query: string, protocols: string[], token = ''): Promise<Way> {
    await this._asking;
    const rest = this._until - this._env.wall();
    const byEvents = rest > 0 || this._mute > (this._opened || this._spoke ? 1 : 0);
    this.via = byEvents ? 'events' : 'websocket';
    this._env.clearTimeout(this._timer);
    this._opened = this._proven = false;
    if (byEvents) {
      this._return(rest > 0 ? rest : TRIAL_MS);
      return { via: 'events', url: this._to, protocols, connect: () => events(this._env, this._to, token, () => this._works()) };
    }
    const { connect, ...way } = super.way(query, protocols) as Way;
    return {
      ...way,
      connect: (url, names) => {
        const socket = connect(url, names);
        socket.onopen = () => (this._opened = true);
        return socket;
      },
    };
  }

  // _works is told what came by events.
  private _works(): void {
    if (this._proven) return;
    this._proven = true;
    if (!this._mute) return;
    this._mute = 0;
    const keep = this._spoke ? TRIAL_MS : KEEP_MS;
    this._until = this._env.wall() + keep;
    remember(KEY + this._to, String(this._until));
    this._return(keep);
  }

  // _return tries WebSocket again after so many milliseconds.
  private _return(ms: number): void {
    this._env.clearTimeout(this._timer);
    this._timer = this._env.setTimeout(() => {
      this._forgive();
      this._spoke = false;
      this._reopen();
    }, ms);
  }

  private _forgive(): void {
    this._mute = this._until = 0;
  }

  override ended(via?: Way['via'], heard = false, code = 0): void {
    if (via === 'events') {
      if (!this._proven) this._forgive(); // the server is away, or this is another network
    } else if (via && (heard || code >= 3000)) {
      this._mute = 0;
      this._spoke = true;
    } else if (via) {
      this._asking = reach(this._env, this._to).then((there) => void (this._mute = there ? this._mute + 1 : 0));
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
