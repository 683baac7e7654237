// Tokens: got, kept while they are good, and renewed in time.

import type { Env } from './env.js';
import { BarrageError } from './errors.js';

/** A token, or what gets one. */
export type TokenSource = string | (() => string | Promise<string>);

const RETRY_MS = 5_000;
const MAX_TIMER_MS = 2 ** 30;

export class Token {
  /** The newest, if there was one. */
  value = '';
  private _timer: unknown;
  private _until = Infinity; // by now(): when the present one is no good any more

  constructor(
    private _env: Env,
    private _source: TokenSource | undefined,
    private _on: { fresh(token: string): void; failed(error: BarrageError): void },
  ) {}

  /** A token for the next connection: '' if there is none to be had. Fails if its source does. */
  async get(): Promise<string> {
    const source = this._source;
    if (typeof source !== 'function') return (this.value = source ?? '');
    if (!this.value || this._env.now() >= this._until) {
      try {
        this.value = await source();
      } catch (error) {
        throw this._failed(error);
      }
      this._until = Infinity;
    }
    return this.value;
  }

  /** The present one is refused as old: whether another one can be had. */
  renew(): boolean {
    this._until = -Infinity;
    return typeof this._source === 'function';
  }

  /**
   * The connection's token is good for `ms` milliseconds more: a new one is got after three
   * quarters of that or a little later, so that tokens made in one moment are not renewed in one.
   */
  lasts(ms: number): void {
    if (typeof this._source !== 'function') return;
    const now = this._env.now();
    this._until = now + ms * 0.95;
    this._after(ms * (0.75 + 0.15 * this._env.random()));
  }

  stop(): void {
    this._env.clearTimeout(this._timer);
  }

  private _after(ms: number): void {
    this.stop();
    const part = Math.min(ms, MAX_TIMER_MS);
    this._timer = this._env.setTimeout(() => (ms > part ? this._after(ms - part) : void this._again()), part);
  }

  private async _again(): Promise<void> {
    const until = this._until;
    this.renew();
    try {
      this._on.fresh(await this.get());
    } catch {
      if (this._until === -Infinity) this._until = until;
      this._after(RETRY_MS * (1 + this._env.random()));
    }
  }

  private _failed(error: unknown): BarrageError {
    const e = new BarrageError('token', `no token: ${String((error as Error)?.message ?? error)}`);
    this._on.failed(e);
    return e;
  }
}
