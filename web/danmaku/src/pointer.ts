// The pointer over the stage: a comment stands still while a mouse is on it, and
// a click on one is the comment's and not the video's below.

import type { Air, Flight } from './air.js';

interface Needs {
  readonly air: Air;
  readonly now: () => number;
  readonly picked: (flight: Flight) => void;
  readonly woken: () => void;
}

export class Pointer {
  readonly #root: HTMLElement;
  readonly #needs: Needs;
  readonly #stop = new AbortController();
  #over: Flight | null = null; // held only while the mouse is on it
  #picked: Flight | null = null; // held until it is released

  constructor(root: HTMLElement, needs: Needs) {
    this.#root = root;
    this.#needs = needs;
    const options = { capture: true, signal: this.#stop.signal };
    root.addEventListener('pointermove', (event) => this.#move(event), options);
    root.addEventListener('pointerleave', () => this.#hover(null), { signal: this.#stop.signal });
    root.addEventListener('click', (event) => this.#click(event), options);
  }

  release(flight: Flight): void {
    if (this.#picked === flight) this.#picked = null;
    if (this.#over !== flight) this.#needs.air.release(flight, this.#needs.now());
    this.#needs.woken();
  }

  destroy(): void {
    this.#stop.abort();
    this.#hover(null);
    if (this.#picked) this.release(this.#picked);
  }

  #move(event: PointerEvent): void {
    if (event.pointerType === 'mouse') this.#hover(this.#find(event));
  }

  #hover(flight: Flight | null): void {
    if (flight === this.#over) return;
    const { air, now, woken } = this.#needs;
    if (this.#over && this.#over !== this.#picked) air.release(this.#over, now());
    this.#over = flight;
    if (flight) air.hold(flight, now());
    this.#root.style.cursor = flight ? 'pointer' : '';
    woken();
  }

  #click(event: MouseEvent): void {
    const before = this.#picked;
    const flight = this.#find(event);
    if (before && before !== flight) this.release(before);
    if (!flight) return;
    event.stopPropagation();
    event.preventDefault();
    this.#picked = flight;
    this.#needs.air.hold(flight, this.#needs.now());
    this.#needs.picked(flight);
  }

  #find(event: MouseEvent): Flight | null {
    const { left, top } = this.#root.getBoundingClientRect();
    return this.#needs.air.at(event.clientX - left, event.clientY - top, this.#needs.now());
  }
}
