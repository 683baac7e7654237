// Comments at the times of a video, or of anything that has a time: a replay.

import type { Timeline } from './clock.js';

// Media is what is needed of a video element.
export interface Media {
  readonly currentTime: number; // seconds
  readonly playbackRate: number;
  readonly paused: boolean;
  addEventListener(event: string, listener: () => void): void;
  removeEventListener(event: string, listener: () => void): void;
}

const DRIFT_MS = 40; // less is not seen, and a video's clock is not quite even
const JUMP_MS = 1000;

// Follower makes the timeline follow the media.
export class Follower {
  readonly #media: Media;
  readonly #timeline: Timeline;
  readonly #events: Record<string, () => void>;
  #starved = false;

  // jumped is told when comments are to be shown from another time on, woken when
  // frames are needed again.
  constructor(media: Media, timeline: Timeline, { jumped, woken }: { jumped: () => void; woken: () => void }) {
    this.#media = media;
    this.#timeline = timeline;
    const follow = (starved: boolean, jump = false) => () => {
      this.#starved = starved;
      this.#set();
      if (jump) jumped();
      woken();
    };
    this.#events = {
      play: follow(false),
      playing: follow(false),
      ratechange: () => {
        this.#set();
        woken();
      },
      pause: follow(false),
      waiting: follow(true),
      seeking: follow(true, true),
      seeked: follow(false, true),
      ended: follow(false),
      emptied: follow(true, true),
    };
    for (const [event, listener] of Object.entries(this.#events)) media.addEventListener(event, listener);
    this.#set();
  }

  // check corrects small differences, and returns whether there was a large one.
  check(): boolean {
    const drift = this.#media.currentTime * 1000 - this.#timeline.now();
    if (Math.abs(drift) < DRIFT_MS) return false;
    this.#set();
    return Math.abs(drift) > JUMP_MS;
  }

  destroy(): void {
    for (const [event, listener] of Object.entries(this.#events)) this.#media.removeEventListener(event, listener);
  }

  #set(): void {
    const { currentTime, playbackRate, paused } = this.#media;
    this.#timeline.set({ time: currentTime * 1000, rate: playbackRate, running: !paused && !this.#starved });
  }
}

// Script holds things in the order of their times.
export class Script<T extends { readonly at: number }> {
  #all: T[] = [];
  #next = 0; // the first that is not due yet

  load(all: readonly T[], now: number): void {
    this.#all = all.toSorted((a, b) => a.at - b.at);
    this.#next = this.#after(now);
  }

  // add returns whether what was added is still to come. Of equal times the one
  // added last comes last.
  add(one: T, now: number): boolean {
    const at = this.#after(one.at);
    this.#all.splice(at, 0, one);
    if (one.at > now) return true;
    if (at <= this.#next) this.#next++;
    return false;
  }

  due(now: number): T[] {
    const from = this.#next;
    while (this.#next < this.#all.length && this.#all[this.#next]!.at <= now) this.#next++;
    return this.#all.slice(from, this.#next);
  }

  // jump returns what was due in so many milliseconds before the new time.
  jump(now: number, reachMs: number): T[] {
    this.#next = this.#after(now);
    return this.#all.slice(this.#after(now - reachMs), this.#next);
  }

  get waiting(): boolean {
    return this.#next < this.#all.length;
  }

  // #after finds the first that is later.
  #after(time: number): number {
    let [low, high] = [0, this.#all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#all[middle]!.at <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
