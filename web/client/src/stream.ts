// The messages of one room in order, each once.
//
// What arrives (messages, and gaps between them) goes through one line. A gap that the
// server's history may fill, or a loader of the page, stops the line until it is filled;
// what comes meanwhile waits behind it. The position moves with each message that was
// delivered, never ahead of one: what is dropped from the line when the connection breaks
// comes again after the next join.

import type { Calls } from './calls.js';
import type { Env } from './env.js';
import type { Gap, Message, Position, WireMessage } from './types.js';

/** More than this does not wait for a gap to be filled. */
const MAX_WAITING = 10_000;
const PAGE = 500;
/** A page of history, or a loader, has so long. */
const PATIENCE_MS = 10_000;

type Step = { message: WireMessage; past: boolean } | { gap: Gap } | { head: Partial<Position> };

interface Sink<T> {
  message(message: WireMessage, past: boolean): void;
  loaded(message: Message<T>): void;
  gap(gap: Gap): void;
  load?: ((gap: Gap) => Promise<Iterable<Message<T>> | undefined>) | undefined;
}

export class Stream<T> {
  position: Position | undefined;
  private _line: Step[] = [];
  private _filling = 0; // which fill is under way; 0: none
  private _fills = 0;
  private _gone: string | undefined; // the epoch that was told to be
  private _rest: Gap | undefined; // what the fill has not filled yet

  constructor(
    private _env: Env,
    private _room: string,
    private _calls: Calls,
    private _fill: boolean,
    private _to: Sink<T>,
  ) {}

  message(message: WireMessage, past: boolean): void {
    this._add({ message, past });
  }

  gap(gap: Gap): void {
    this._add({ gap });
  }

  /** Nothing is missing up to `head`. */
  head(head: Partial<Position>): void {
    this._add({ head });
  }

  /** The connection is gone: what the history has will come again, the rest is delivered now. */
  down(): void {
    this._filling = 0;
    const line = this._line;
    this._line = [];
    for (const step of line) if ('message' in step && !step.message.offset) this._deliver(step.message, step.past);
  }

  /** Nothing more is delivered. */
  stop(): void {
    this._filling = 0;
    this._line = [];
    this._to = { message() {}, loaded() {}, gap() {} };
  }

  private _add(step: Step): void {
    this._line.push(step);
    if (this._filling && this._line.length > MAX_WAITING) {
      this._filling = 0;
      this._tell(this._rest!);
      this._pump();
    } else if (!this._filling && this._line.length === 1) this._pump();
  }

  private _pump(): void {
    for (let step; !this._filling && (step = this._line[0]); ) {
      if ('gap' in step) this._gap(step.gap);
      else if ('message' in step) this._deliver(step.message, step.past);
      else this._reach(step.head);
      if (this._line[0] === step) this._line.shift();
    }
  }

  private _reach({ epoch, offset }: Partial<Position>): void {
    const at = this.position;
    if (epoch !== undefined && offset !== undefined && !(at && at.epoch === epoch && at.offset >= offset)) this.position = { epoch, offset };
  }

  private _deliver(m: WireMessage, past: boolean): void {
    const { epoch, offset } = m;
    if (epoch !== undefined && offset !== undefined) {
      const at = this.position;
      if (at && at.epoch === epoch && offset <= at.offset) return;
      this.position = { epoch, offset };
    }
    this._to.message(m, past);
  }

  private _gap(gap: Gap): void {
    const at = this.position;
    const { epoch = at?.epoch, to } = gap;
    let { from } = gap;
    // A join is told of it, and then all in the room, when something is said there again.
    if (gap.reason === 'epoch' && epoch === this._gone) return;
    if (at && to !== undefined && epoch === at.epoch) {
      if (to <= at.offset) return;
      gap = { ...gap, epoch, from: (from = Math.max(from ?? 0, at.offset + 1)) };
    }
    const fillable = this._fill && epoch !== undefined && from !== undefined && to !== undefined && /^(large|slow|overloaded)$/.test(gap.reason);
    if (!fillable && !this._to.load) return this._tell(gap);
    const fill = (this._filling = ++this._fills);
    this._rest = gap;
    (fillable ? this._history({ ...gap, epoch, from: from!, to: to! }, fill) : this._load(gap, fill)).then(() => {
      if (fill !== this._filling) return;
      this._filling = 0;
      this._pump();
    });
  }

  // _tell tells of a gap, and goes on behind it.
  private _tell(gap: Gap): void {
    this._pass(gap);
    this._to.gap(gap);
  }

  // _pass moves the position within its epoch.
  private _pass({ reason, epoch = this.position?.epoch, to }: Gap): void {
    if (reason === 'epoch') this._gone = epoch;
    if (to !== undefined && (!this.position || this.position.epoch === epoch)) this._reach({ epoch, offset: to } as Position);
  }

  // _history fetches what is missing, page by page.
  private async _history(gap: Gap & { epoch: string; from: number; to: number }, fill: number): Promise<void> {
    const { epoch, to } = gap;
    for (let offset = gap.from - 1; ; ) {
      let page: { messages?: WireMessage[]; gap?: Gap; more?: boolean };
      try {
        page = await this._calls.ask({ cmd: 'history', room: this._room, since: { epoch, offset }, limit: PAGE }, PATIENCE_MS, 'here');
      } catch {
        page = { gap: { ...gap, from: offset + 1 } };
      }
      if (fill === this._filling && page.gap) await this._load({ epoch, ...page.gap, room: this._room }, fill);
      if (fill !== this._filling) return;
      const found = page.messages ?? [];
      for (const m of found) this._deliver(m, true);
      const last = found[found.length - 1];
      if (!page.more || !last || last.epoch !== epoch || last.offset! >= to) return this._pass(gap);
      offset = last.offset!;
      this._rest = { ...gap, from: offset + 1 };
    }
  }

  // _load asks the page for what is missing.
  private async _load(gap: Gap, fill: number): Promise<void> {
    let found: Iterable<Message<T>> | undefined;
    let timer: unknown;
    const late = new Promise<undefined>((resolve) => (timer = this._env.setTimeout(() => resolve(undefined), PATIENCE_MS)));
    try {
      found = await Promise.race([this._to.load?.(gap), late]);
    } catch {
      // It is a gap, then.
    }
    this._env.clearTimeout(timer);
    if (fill !== this._filling) return;
    if (!found) return this._tell(gap);
    for (const m of found) this._to.loaded({ ...m, room: this._room, past: true });
    this._pass(gap);
  }
}
