// What is in the air: the comments that fly and stand, and those that wait for
// room. All of it is a matter of times and lengths; drawing is the painter's.

import type { Clean } from './comment.js';
import { type Fill, Lanes, type Part } from './lanes.js';
import { leftAt, longestMs, type Mode, type Pace, type Path, pathOf, resumed, stopped } from './path.js';
import type { Overflow } from './settings.js';
import type { Layout } from './sprite.js';

export interface Flight {
  readonly clean: Clean;
  readonly layout: Layout;
  path: Path;
  y: number;
  held: { readonly path: Path; readonly at: number } | null; // where it flies on when it is let go
}

// Why a comment was not shown: its place was taken, too many waited, the page was
// not seen, or its sender is muted.
export type Reason = 'room' | 'waiting' | 'hidden' | 'muted';

export interface Conditions extends Pace {
  readonly height: number; // the stage's
  readonly rowPx: number;
  readonly area: number; // the share of the height
  readonly limit: number; // the most comments in the air
  readonly gapPx: number;
  readonly overflow: Overflow;
  readonly still: boolean; // nothing may move
}

interface Ticket {
  readonly clean: Clean;
  readonly since: number;
  layout: Layout | null;
}

interface Needs {
  readonly fill: Fill;
  readonly random: () => number;
  readonly waiting: number; // the most that wait
  readonly layout: (clean: Clean) => Layout;
  readonly dropped: (clean: Clean, reason: Reason) => void;
  readonly entered: (clean: Clean) => void;
}

const PATIENCE_MS = 1500; // how long a comment waits for room
const STALE_MS = 3000; // older ones only wait where no steps were taken: the page slept
const RETRY_MS = 50;
const LAUNCHES = 24; // in one step: drawing each for the first time costs some 0.1 ms
const CLOSE_PX = 2;

export class Air {
  readonly flights: Flight[] = [];
  readonly #needs: Needs;
  readonly #lanes: Lanes;
  #waiting: Ticket[] = [];
  #fresh = false; // something waits that was not tried yet
  #triedAt = -Infinity;
  #conditions: Conditions;

  constructor(needs: Needs, conditions: Conditions) {
    this.#needs = needs;
    this.#lanes = new Lanes(needs.random);
    this.#conditions = conditions;
    this.reshape(conditions);
  }

  get busy(): boolean {
    return this.flights.length > 0 || this.#waiting.length > 0;
  }

  get reachMs(): number {
    return longestMs(this.#conditions);
  }

  // reshape takes over another size of the stage or other settings. What is in
  // the air stays where it is, and in the way; what lies below the stage goes.
  reshape(conditions: Conditions): void {
    this.#conditions = conditions;
    const { height, rowPx, stage } = conditions;
    this.#lanes.resize(height / rowPx);
    this.#lanes.clear();
    this.#keep((flight) => flight.y + flight.layout.height / 2 < height);
    for (const flight of this.flights) {
      flight.path = refit(flight.path, stage, flight.held !== null);
      this.#lanes.occupy(flight.path, Math.floor(flight.y / rowPx), this.#span(flight.layout));
    }
  }

  // offer lets a comment wait for the next step. When too many wait, the oldest
  // is dropped: nobody could read all of them.
  offer(clean: Clean, now: number): void {
    this.#waiting.push({ clean, since: now, layout: null });
    this.#fresh = true;
    if (this.#waiting.length <= this.#needs.waiting) return;
    const oldest = Math.max(0, this.#waiting.findIndex((ticket) => !ticket.clean.own));
    const [dropped] = this.#waiting.splice(oldest, 1);
    this.#needs.dropped(dropped!.clean, 'waiting');
  }

  // step forgets what has left, and launches what finds room.
  step(now: number): void {
    this.#keep((flight) => flight.path.end > now);
    if (this.#waiting.length === 0 || !(this.#fresh || now - this.#triedAt >= RETRY_MS)) return;
    this.#triedAt = now;
    let left = LAUNCHES;
    this.#waiting = this.#waiting.filter((ticket) => {
      if (now - ticket.since >= STALE_MS) {
        this.#needs.dropped(ticket.clean, 'hidden');
        return false;
      }
      if (left === 0) return true;
      ticket.layout ??= this.#needs.layout(ticket.clean);
      if (this.#launch(ticket.clean, ticket.layout, now, now - ticket.since >= PATIENCE_MS)) left--;
      else if (now - ticket.since < PATIENCE_MS) return true;
      else this.#needs.dropped(ticket.clean, 'room');
      return false;
    });
    this.#fresh = left === 0;
  }

  // refill shows what would be in the air if all these had come in their times,
  // given in their order: after a jump the stage is as full as before it.
  refill(comments: readonly { clean: Clean; at: number }[], now: number): void {
    this.clear();
    for (const { clean, at } of comments.slice(-2 * this.#conditions.limit)) {
      const layout = this.#needs.layout(clean);
      if (this.#path(clean, layout, at).end > now) this.#launch(clean, layout, at, true);
    }
  }

  remove(unwanted: (clean: Clean) => boolean): void {
    this.#keep((flight) => !unwanted(flight.clean));
    this.#waiting = this.#waiting.filter((ticket) => !unwanted(ticket.clean));
  }

  clear(): void {
    this.remove(() => true);
    this.#lanes.clear();
  }

  // at finds the comment at a point of the stage, the uppermost first.
  at(x: number, y: number, now: number): Flight | null {
    const hit = ({ path, y: top, layout }: Flight) =>
      x >= leftAt(path, now) && x < leftAt(path, now) + path.width && y >= top && y < top + layout.height;
    return this.flights.findLast((flight) => flight.clean.own && hit(flight)) ?? this.flights.findLast(hit) ?? null;
  }

  hold(flight: Flight, now: number): void {
    if (flight.held) return;
    flight.held = { path: flight.path, at: now };
    this.#reroute(flight, stopped(flight.path, now));
  }

  release(flight: Flight, now: number): void {
    if (!flight.held) return;
    const { path, at } = flight.held;
    flight.held = null;
    this.#reroute(flight, refit(resumed(path, at, now), this.#conditions.stage, true));
  }

  #reroute(flight: Flight, path: Path): void {
    this.#lanes.replace(flight.path, path);
    flight.path = path;
  }

  #keep(wanted: (flight: Flight) => boolean): void {
    let kept = 0;
    for (const flight of this.flights) {
      if (wanted(flight)) this.flights[kept++] = flight;
      else this.#lanes.replace(flight.path, null);
    }
    this.flights.length = kept;
  }

  // #launch finds a place, closer or over others where the settings say so. The
  // visitor's own comment takes one in any case, and another's when too many are
  // in the air.
  #launch(clean: Clean, layout: Layout, at: number, last: boolean): boolean {
    const { limit, overflow } = this.#conditions;
    if (this.flights.length >= limit) {
      if (!clean.own) return false;
      const oldest = this.flights.find((flight) => !flight.clean.own) ?? this.flights[0];
      this.#keep((flight) => flight !== oldest);
    }
    const path = this.#path(clean, layout, at);
    const row = this.#row(clean, layout, path, clean.own || (last && overflow === 'overlay'));
    if (row < 0) return false;
    this.flights.push({ clean, layout, path, y: row * this.#conditions.rowPx, held: null });
    this.#needs.entered(clean);
    return true;
  }

  #row(clean: Clean, layout: Layout, path: Path, over: boolean): number {
    const { gapPx, overflow } = this.#conditions;
    const mode = this.#mode(clean);
    const fill = mode === 'bottom' || mode === 'top' ? mode : this.#needs.fill;
    const [span, part] = [this.#span(layout), this.#part(mode)];
    let row = this.#lanes.place(path, span, gapPx, fill, part);
    if (row < 0 && (overflow !== 'drop' || over)) row = this.#lanes.place(path, span, CLOSE_PX, fill, part);
    return row < 0 && over ? this.#lanes.overlay(path, span, part) : row;
  }

  #path(clean: Clean, layout: Layout, at: number): Path {
    return pathOf(this.#mode(clean), at, layout.width, this.#conditions);
  }

  // #mode: where nothing may move, comments stand that would fly.
  #mode({ mode }: Clean): Mode {
    return this.#conditions.still && mode !== 'bottom' ? 'top' : mode;
  }

  #span(layout: Layout): number {
    return Math.max(1, Math.ceil(layout.height / this.#conditions.rowPx - 0.05));
  }

  #part(mode: Mode): Part {
    const rows = this.#lanes.whole.to;
    const used = Math.max(1, Math.round(rows * this.#conditions.area));
    return mode === 'bottom' ? { from: rows - used, to: rows } : { from: 0, to: used };
  }
}

// refit is a path on a stage of another width: what flies right has further to
// go, what stands is in the middle. What is held is left where it is.
function refit(path: Path, stage: number, held: boolean): Path {
  if (path.v > 0) return { ...path, end: path.start + (stage - path.x) / path.v };
  if (path.v < 0 || held) return path;
  return { ...path, x: (stage - path.width) / 2 };
}
