// Commands and their replies.
//
// Numbers are never used again, so that a reply meets the command that it is of. A command
// that only asks may be sent again on the next connection, and when the server has no time
// at present; of others nobody knows, once the connection broke, whether they were carried out.

import type { Env } from './env.js';
import { BarrageError, fromReply, passing } from './errors.js';
import type { Command } from './types.js';

export interface Reply {
  id?: number;
  ok?: object;
  error?: { code: string; message: string; retry_after?: number };
}

export type Done<Ok = object> = (error: BarrageError | undefined, ok: Ok) => void;

/** Whether a command may be sent more than once: `here`, on one connection. */
type Again = boolean | 'here';

interface Call {
  command: Command;
  again: Again;
  until: number; // by now(); then it fails
  done: Done<never>;
  timer: unknown;
  id: number; // 0: it is not sent at present
}

export class Calls {
  private _last = 0;
  private _calls = new Set<Call>();
  private _open = false;
  private _over: BarrageError | undefined; // why there is nothing to wait for

  constructor(
    private _env: Env,
    private _write: (command: object) => void,
  ) {}

  /** As send, for those who may hear of it later. */
  ask<Ok>(command: Command, ms: number, again?: Again): Promise<Ok> {
    return new Promise((resolve, reject) => this.send<Ok>(command, ms, (error, ok) => (error ? reject(error) : resolve(ok)), again));
  }

  /**
   * Sends a command as soon as there is a connection, and tells the `ok` of its reply.
   * After `ms` milliseconds it fails with `timeout`.
   */
  send<Ok>(command: Command, ms: number, done: Done<Ok>, again: Again = false): void {
    if (this._over) return done(this._over, {} as Ok);
    const call: Call = { command, again, until: this._env.now() + ms, done, timer: 0, id: 0 };
    this._calls.add(call);
    this._retry(call);
  }

  /** What came has no `push`. */
  reply({ id, ok, error }: Reply): void {
    for (const call of this._calls) {
      if (call.id !== id || !id) continue;
      const e = error && fromReply(error);
      const wait = e?.retryAfter ?? 1000;
      if (e && call.again && passing(e) && this._env.now() + wait < call.until) {
        call.id = 0;
        this._wait(call, wait, () => this._retry(call));
      } else if (e) this._end(call, e);
      else {
        this._forget(call);
        call.done(undefined, (ok ?? {}) as never);
      }
      return;
    }
  }

  /** There is a connection; what `first` sends goes before what waits. */
  up(first: () => void): void {
    this._open = true;
    first();
    for (const call of this._calls) if (!call.id) this._transmit(call);
  }

  down(): void {
    this._open = false;
    for (const call of [...this._calls]) {
      if (call.again !== true && (call.id || call.again)) this._end(call, new BarrageError('disconnected', `the connection broke before the answer to ${call.command.cmd}`));
      call.id = 0;
    }
  }

  /** A connection is under way: commands may wait for it. */
  begin(): void {
    this._over = undefined;
  }

  /** Fails all, and what else is to be sent until `begin`. */
  fail(error: BarrageError): void {
    this._over = error;
    for (const call of [...this._calls]) this._end(call, error);
  }

  private _retry(call: Call): void {
    const rest = Math.max(0, call.until - this._env.now());
    if (rest < Infinity) this._wait(call, rest, () => this._end(call, new BarrageError('timeout', `no answer to ${call.command.cmd} in time`)));
    if (this._open && !call.id) this._transmit(call);
  }

  private _transmit(call: Call): void {
    call.id = ++this._last;
    this._write({ id: call.id, ...call.command });
  }

  private _wait(call: Call, ms: number, then: () => void): void {
    this._env.clearTimeout(call.timer);
    call.timer = this._env.setTimeout(then, ms);
  }

  private _forget(call: Call): void {
    this._env.clearTimeout(call.timer);
    this._calls.delete(call);
  }

  private _end(call: Call, error: BarrageError): void {
    this._forget(call);
    call.done(error, {} as never);
  }
}
