// The heartbeat: it notices that a socket is dead although the browser calls it open.
//
// After a silence it asks, and after one more silence it gives up. Timers of a hidden tab
// are late, by a minute or more, and so are those of a machine that slept: what a late
// timer would tell is not believed, as answers may wait behind it. It asks anew instead.

import type { Env } from './env.js';

/** A timer that is this late was held back, and what it measures means nothing. */
const LATE_MS = 1500;

export class Pulse {
  private _timer: unknown;
  private _heard = 0;
  private _asked = false;
  private _planned = 0;

  /** `patience` is how long a silence may be, in milliseconds, and then how long an answer may take. */
  constructor(
    private _env: Env,
    private _patience: number,
    private _ask: () => void,
    private _dead: () => void,
  ) {}

  start(): void {
    this.heard();
    this._plan(this._patience);
  }

  stop(): void {
    this._env.clearTimeout(this._timer);
  }

  /** Something came from the server. */
  heard(): void {
    this._heard = this._env.now();
    this._asked = false;
  }

  /** Asks now, and waits only so many milliseconds for the answer. */
  probe(ms: number): void {
    this._asked = true;
    this._plan(ms);
    this._ask();
  }

  private _plan(ms: number): void {
    this.stop();
    this._planned = this._env.now() + ms;
    this._timer = this._env.setTimeout(() => this._due(), ms);
  }

  private _due(): void {
    const now = this._env.now();
    const silence = now - this._heard;
    if (Math.abs(now - this._planned) > LATE_MS) this.probe(this._patience);
    else if (this._asked) this._dead();
    else if (silence < this._patience) this._plan(this._patience - silence);
    else this.probe(this._patience);
  }
}
