// The renderer: puts its parts together, and is what a page holds of them.

import { Air, type Flight } from './air.js';
import { type Clock, machine, Timeline } from './clock.js';
import { type Clean, cleaned, type Comment, type Rules } from './comment.js';
import { Emitter, type Events } from './events.js';
import { type Gift, Gifts } from './gifts.js';
import { Follower, type Media, Script } from './media.js';
import { Painter } from './painter.js';
import { leftAt } from './path.js';
import { Pointer } from './pointer.js';
import { DEFAULTS, loadSettings, saveSettings, type Settings, type Store, validSettings } from './settings.js';
import { layoutOf, type Outline } from './sprite.js';
import { Stage } from './stage.js';

export interface Options {
  media?: Media; // comments come at its times; without, as they are shown
  allow?: readonly string[]; // beginnings of addresses that pictures may have; without, none
  emoji?: Readonly<Record<string, string>>; // addresses of pictures for words, in all comments
  settings?: Partial<Settings>; // the page's own defaults
  storage?: Store; // where the visitor's are kept, localStorage for instance
  storageKey?: string;
  interactive?: boolean; // comments can be stopped and clicked
  motion?: 'auto' | 'full' | 'still'; // auto asks the system
  outline?: Outline;
  fill?: 'top' | 'spread'; // from above, or all over the stage
  limit?: number; // the most comments in the air
  waiting?: number; // the most that wait for room
  maxText?: number; // letters of a comment
  random?: () => number;
  clock?: Clock;
}

// Shown is a comment on the stage, as it is there at the moment.
export interface Shown {
  readonly comment: Comment;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const MAX_MUTED = 1000;
const LATE_MS = 1000;

export class Danmaku {
  readonly #options: Options;
  readonly #clock: Clock;
  readonly #timeline: Timeline;
  readonly #emitter = new Emitter();
  readonly #rules: Rules;
  readonly #stage: Stage;
  readonly #painter: Painter;
  readonly #air: Air;
  readonly #gifts = new Gifts();
  readonly #script = new Script<{ at: number; clean: Clean }>();
  readonly #follower: Follower | null;
  readonly #pointer: Pointer | null;
  readonly #measure = new OffscreenCanvas(1, 1).getContext('2d')!;
  readonly #calm = matchMedia('(prefers-reduced-motion: reduce)');
  readonly #stop = new AbortController();
  readonly #muted = new Set<string>(); // the oldest first
  #settings: Settings;
  #ratio = 1;
  #steppedAt = 0; // the timeline's time
  #frame: number | null = null;
  #paused = false;

  constructor(root: HTMLElement, options: Options = {}) {
    this.#options = options;
    this.#clock = options.clock ?? machine;
    this.#timeline = new Timeline(this.#clock);
    this.#rules = { allow: options.allow ?? [], emoji: options.emoji ?? {}, maxText: options.maxText ?? 200 };
    this.#settings = validSettings(loadSettings(options.storage, this.#key), validSettings(options.settings, DEFAULTS));
    this.#stage = new Stage(root, () => this.#reshape());
    this.#painter = new Painter(() => this.#wake());
    this.#stage.layer.append(this.#painter.canvas, this.#gifts.element);
    this.#air = new Air(
      {
        fill: options.fill ?? 'top',
        random: options.random ?? Math.random,
        waiting: options.waiting ?? 60,
        layout: (clean) => layoutOf(this.#measure, clean, this.#look),
        dropped: (clean, reason) => this.#emitter.emit('drop', clean.comment, reason),
        entered: (clean) => this.#emitter.emit('enter', clean.comment),
      },
      this.#conditions,
    );
    this.#follower = options.media ? new Follower(options.media, this.#timeline, { jumped: () => this.#jump(), woken: () => this.#wake() }) : null;
    this.#pointer = options.interactive
      ? new Pointer(root, { air: this.#air, now: () => this.#timeline.now(), picked: (flight) => this.#pick(flight), woken: () => this.#wake() })
      : null;
    this.#listen();
    this.#reshape();
  }

  // show lets a comment fly: now, or in media mode at its time.
  show(comment: Comment): void {
    const clean = cleaned(comment, this.#rules);
    if (!clean) return;
    if (this.#muted.has(clean.sender)) return this.#emitter.emit('drop', comment, 'muted');
    const now = this.#timeline.now();
    if (this.#follower) {
      const entry = { at: timeOf(clean, now), clean };
      if (!this.#script.add(entry, now) && now - entry.at < this.#air.reachMs) this.#air.offer(clean, now);
    } else if (document.hidden) {
      // Nothing is drawn there, and it must not all take off at once later.
      return this.#emitter.emit('drop', comment, 'hidden');
    } else {
      this.#air.offer(clean, now);
    }
    this.#wake();
  }

  // load takes the comments of a video or a replay, in place of those before.
  load(comments: readonly Comment[]): void {
    const all = comments.flatMap((comment) => {
      const clean = cleaned(comment, this.#rules);
      return clean ? [{ at: timeOf(clean, 0), clean }] : [];
    });
    this.#script.load(all, this.#timeline.now());
    this.#jump();
  }

  gift(gift: Gift): void {
    if (this.#muted.has(String(gift?.sender))) return;
    this.#gifts.give(gift, this.#rules, this.#clock.now());
    this.#wake();
  }

  // pause stops all that flies; what comes meanwhile waits, as far as there is
  // room for that. A video's comments stop and go on with it.
  pause(): void {
    this.#paused = true;
    if (!this.#follower) this.#timeline.set({ running: false });
  }

  resume(): void {
    this.#paused = false;
    if (!this.#follower) this.#timeline.set({ running: true });
    this.#wake();
  }

  get paused(): boolean {
    return this.#paused;
  }

  clear(): void {
    this.#air.clear();
    this.#gifts.remove(() => true);
    this.#painter.clear();
  }

  get settings(): Readonly<Settings> {
    return { ...this.#settings };
  }

  // set changes settings, and keeps them where the page said. What is not valid
  // is left as it was.
  set(changes: Partial<Settings>): void {
    this.#settings = validSettings(changes, this.#settings);
    saveSettings(this.#options.storage, this.#key, this.#settings);
    this.#emitter.emit('settings', this.settings);
    this.#reshape();
  }

  // mute shows nothing more of a sender; of too many the oldest is forgotten.
  mute(sender: string): void {
    if (sender === '') return;
    this.#muted.add(sender);
    if (this.#muted.size > MAX_MUTED) this.#muted.delete(this.#muted.values().next().value!);
    this.#air.remove((clean) => clean.sender === sender);
    this.#gifts.remove((card) => card.sender === sender);
    this.#emitter.emit('mute', sender);
    this.#wake();
  }

  unmute(sender: string): void {
    this.#muted.delete(sender);
  }

  get muted(): string[] {
    return [...this.#muted];
  }

  // shown lists what is on the stage.
  get shown(): Shown[] {
    return this.#air.flights.map((flight) => this.#place(flight));
  }

  on<Name extends keyof Events>(name: Name, listener: Events[Name]): () => void {
    return this.#emitter.on(name, listener);
  }

  destroy(): void {
    if (this.#frame !== null) this.#clock.cancel(this.#frame);
    this.#stop.abort();
    this.#follower?.destroy();
    this.#pointer?.destroy();
    this.clear();
    if (this.#frame !== null) this.#clock.cancel(this.#frame);
    this.#painter.destroy();
    this.#stage.destroy();
  }

  get #key(): string {
    return this.#options.storageKey ?? 'barrage.danmaku';
  }

  get #still(): boolean {
    const { motion = 'auto' } = this.#options;
    return motion === 'auto' ? this.#calm.matches : motion === 'still';
  }

  get #look() {
    return this.#stage.look(this.#settings, this.#options.outline ?? 'stroke', this.#ratio);
  }

  get #conditions() {
    return this.#stage.conditions(this.#settings, this.#options.limit ?? 300, this.#still);
  }

  #listen(): void {
    const { signal } = this.#stop;
    this.#calm.addEventListener('change', () => this.#calmed(), { signal });
    document.addEventListener('visibilitychange', () => this.#wake(), { signal });
  }

  #calmed(): void {
    if (this.#still) this.#air.clear();
    this.#reshape();
  }

  #reshape(): void {
    this.#stage.measure();
    this.#ratio = this.#painter.resize(this.#stage.width, this.#stage.height);
    this.#painter.canvas.style.opacity = String(this.#settings.opacity);
    this.#gifts.moving = !this.#still;
    this.#air.reshape(this.#conditions);
    this.#paint();
    this.#wake();
  }

  #wake(): void {
    this.#frame ??= this.#clock.frame(() => this.#step());
  }

  #step(): void {
    this.#frame = null;
    const now = this.#timeline.now();
    // Where no frames were wanted, as of a hidden page, all that was due since would
    // come at once.
    if (this.#follower && (this.#follower.check() || now - this.#steppedAt > LATE_MS)) this.#jump();
    this.#steppedAt = now;
    for (const { clean } of this.#script.due(now)) if (!this.#muted.has(clean.sender)) this.#air.offer(clean, now);
    if (this.#timeline.running) this.#air.step(now);
    this.#gifts.step(this.#clock.now());
    const missing = this.#paint();
    const running = this.#timeline.running && (this.#air.busy || this.#script.waiting);
    if (missing || running || this.#gifts.busy) this.#wake();
  }

  #paint(): boolean {
    return this.#painter.paint(this.#air.flights, this.#timeline.now(), this.#look);
  }

  // #jump shows what would be on the stage now, had it been there all the time.
  #jump(): void {
    const now = this.#timeline.now();
    const before = this.#script.jump(now, this.#air.reachMs);
    this.#air.refill(before.filter(({ clean }) => !this.#muted.has(clean.sender)), now);
    this.#wake();
  }

  #pick(flight: Flight): void {
    const { comment, sender, text } = flight.clean;
    this.#emitter.emit('pick', {
      ...this.#place(flight),
      release: () => this.#pointer?.release(flight),
      copy: () => copy(text),
      report: () => this.#emitter.emit('report', comment),
      mute: () => this.mute(sender),
    });
  }

  #place({ clean, path, y, layout }: Flight): Shown {
    return { comment: clean.comment, x: leftAt(path, this.#timeline.now()), y, width: layout.width, height: layout.height };
  }
}

// timeOf is in milliseconds; what has no time comes now.
function timeOf({ comment: { time } }: Clean, now: number): number {
  return typeof time === 'number' && Number.isFinite(time) ? Math.max(0, time * 1000) : now;
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
