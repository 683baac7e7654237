// What is to be published: kept until it is answered, or its deadline is over.
//
// Each room, and each user, is a lane with one message under way at a time, so that a
// refusal that passes ("too fast") does not let a later message overtake. It waits for the
// join of its room, which would otherwise begin behind it. A message is
// sent again with its key after a broken connection; the server remembers keys for five
// minutes, so nothing is repeated later than that.

import type { Env } from './env.js';
import { BarrageError, passing } from './errors.js';
import type { Command, Published } from './types.js';
import type { Calls } from './calls.js';

/** How long after the first try a message may be sent again, in milliseconds. */
const KEY_MS = 240_000;
const ANSWER_MS = 15_000;
const MAX_WAIT_MS = 10_000;

export interface Entry {
  command: Command;
  lane: string;
  until: number; // by now()
  done(error: BarrageError | undefined, ok: Published): void;
  flying?: boolean;
  notBefore?: number; // by now()
  first?: [now: number, wall: number]; // of the first try
  tries?: number;
}

export class Outbox {
  private _entries: Entry[] = [];
  private _open = false;
  private _timer: unknown;

  constructor(
    private _env: Env,
    private _calls: Calls,
    private _limit: number,
    private _ready: (command: Command) => boolean,
  ) {}

  /** How many wait, or are under way. */
  get length(): number {
    return this._entries.length;
  }

  add(entry: Entry): void {
    this._entries.push(entry);
    if (this._entries.length > this._limit) {
      const oldest = this._entries.find((e) => !e.first) ?? entry;
      this._end(oldest, new BarrageError('queue_full', `more than ${this._limit} messages wait to be published`));
    }
    this.pump();
  }

  /** The key of what was sent in a lane and is not answered: `briefly`, not of what waits after a refusal. */
  underWay(lane: string, briefly: boolean): unknown {
    return this._entries.find((e) => e.lane === lane && e.first && !(briefly && !e.flying && e.tries))?.command['key'];
  }

  up(): void {
    this._open = true;
    this.pump();
  }

  down(): void {
    this._open = false;
  }

  /** Fails all. */
  fail(error: BarrageError): void {
    for (const entry of [...this._entries]) this._end(entry, error);
  }

  // pump sends what may be sent, and sleeps until the next moment at which something changes.
  pump(): void {
    const now = this._env.now();
    const busy = new Set<string>();
    let next = Infinity;
    for (const entry of [...this._entries]) {
      if (!this._entries.includes(entry)) continue; // whom an end was told to did more
      const until = this._until(entry, now);
      if (until <= now) {
        this._end(entry, new BarrageError('timeout', 'the message was not published by its deadline'));
        continue;
      }
      next = Math.min(next, until);
      if (!busy.has(entry.lane) && !entry.flying && this._open && this._ready(entry.command)) {
        if ((entry.notBefore ?? 0) <= now) this._fly(entry, now);
        else next = Math.min(next, entry.notBefore!);
      }
      busy.add(entry.lane);
    }
    this._env.clearTimeout(this._timer);
    if (next < Infinity) this._timer = this._env.setTimeout(() => this.pump(), Math.min(Math.max(1, next - now), 2 ** 30));
  }

  // _until is when an entry has failed, by now(). The wall clock goes on while a machine
  // sleeps, and may jump back: whichever says that more time has passed is believed.
  private _until({ first, until }: Entry, now: number): number {
    if (!first) return until;
    const passed = Math.max(now - first[0], this._env.wall() - first[1]);
    return Math.min(until, now + KEY_MS - passed);
  }

  private _fly(entry: Entry, now: number): void {
    entry.flying = true;
    entry.first ??= [now, this._env.wall()];
    this._calls.send<Published>(entry.command, ANSWER_MS, (error, ok) => this._answered(entry, error, ok));
  }

  private _answered(entry: Entry, error: BarrageError | undefined, ok: Published): void {
    if (!this._entries.includes(entry)) return;
    entry.flying = false;
    if (!error) this._end(entry, undefined, ok);
    else if (error.code !== 'disconnected' && error.code !== 'timeout' && !passing(error)) this._end(entry, error);
    else if (error.code !== 'disconnected') {
      const tries = (entry.tries = (entry.tries ?? 0) + 1);
      const most = Math.min(MAX_WAIT_MS, 500 * 2 ** tries);
      entry.notBefore = this._env.now() + (error.retryAfter ?? most * (0.5 + this._env.random() / 2));
    }
    this.pump();
  }

  private _end(entry: Entry, error: BarrageError | undefined, ok: Published = { message_id: '' }): void {
    const at = this._entries.indexOf(entry);
    if (at < 0) return;
    this._entries.splice(at, 1);
    entry.done(error, ok);
  }
}
