// The renderer's timeline: milliseconds that can stand still, run faster and
// jump. In a live room it follows the machine's clock, with a video the video.

export interface Clock {
  now(): number; // milliseconds that never go back
  frame(callback: () => void): number; // calls once, before the next picture
  cancel(frame: number): void;
}

export const machine: Clock = {
  now: () => performance.now(),
  frame: (callback) => requestAnimationFrame(callback),
  cancel: (frame) => cancelAnimationFrame(frame),
};

export class Timeline {
  readonly #clock: Clock;
  #at = 0; // the timeline's time when it was last set
  #setAt: number; // and the clock's
  #rate = 1;
  #running = true;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#setAt = clock.now();
  }

  get running(): boolean {
    return this.#running;
  }

  now(): number {
    return this.#running ? this.#at + (this.#clock.now() - this.#setAt) * this.#rate : this.#at;
  }

  set(change: { time?: number; rate?: number; running?: boolean }): void {
    this.#at = change.time ?? this.now();
    this.#setAt = this.#clock.now();
    this.#rate = change.rate ?? this.#rate;
    this.#running = change.running ?? this.#running;
  }
}
