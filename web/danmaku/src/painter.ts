// The canvas. A frame copies the picture of every comment to where it is, at
// whole device pixels, which is much cheaper than between them. A canvas, since
// the browser sorts elements that move by themselves into layers anew whenever
// one comes or goes, which with hundreds takes longer than a frame.

import type { Flight } from './air.js';
import { Images } from './images.js';
import { leftAt } from './path.js';
import { draw, type Look } from './sprite.js';

const DRAWN_A_FRAME = 24; // for the first time; the others are seen a frame later
const MAX_RATIO = 2; // more device pixels are not seen on what moves

export class Painter {
  readonly canvas = document.createElement('canvas');
  readonly #context = this.canvas.getContext('2d')!;
  readonly #sprites = new Map<Flight, ImageBitmap>();
  readonly #images: Images;
  #ratio = 1;

  // changed is told when a picture has come that was missing.
  constructor(changed: () => void) {
    this.#images = new Images((address) => {
      this.#redraw(address);
      changed();
    });
    Object.assign(this.canvas.style, { position: 'absolute', left: '0', top: '0', width: '100%', height: '100%' });
    this.canvas.setAttribute('aria-hidden', 'true');
  }

  // resize empties the canvas; a frame is to be painted in the same task.
  resize(width: number, height: number): number {
    const ratio = Math.min(MAX_RATIO, devicePixelRatio);
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w) this.canvas.width = w;
    if (this.canvas.height !== h) this.canvas.height = h;
    this.#ratio = ratio;
    return ratio;
  }

  // paint returns whether comments are still to be drawn for the first time.
  paint(flights: readonly Flight[], now: number, look: Look): boolean {
    const { width, height } = this.canvas;
    this.#context.clearRect(0, 0, width, height);
    this.#forget(flights);
    let left = DRAWN_A_FRAME;
    let missing = false;
    for (const front of [false, true]) {
      for (const flight of flights) {
        if ((flight.clean.own || flight.held !== null) !== front) continue;
        let sprite = this.#sprites.get(flight);
        if (!sprite) {
          if (left-- <= 0) {
            missing = true;
            continue;
          }
          sprite = draw(flight.layout, { ...look, ratio: this.#ratio }, this.#images);
          this.#sprites.set(flight, sprite);
        }
        this.#context.drawImage(sprite, Math.round(leftAt(flight.path, now) * this.#ratio), Math.round(flight.y * this.#ratio));
      }
    }
    return missing;
  }

  clear(): void {
    this.#context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.#forget([]);
  }

  destroy(): void {
    this.clear();
    this.#images.clear();
    this.canvas.remove();
  }

  // #forget gives back the pictures of comments that have left.
  #forget(flights: readonly Flight[]): void {
    if (this.#sprites.size <= flights.length && flights.every((flight) => this.#sprites.has(flight))) return;
    const there = new Set(flights);
    for (const [flight, sprite] of this.#sprites) {
      if (there.has(flight)) continue;
      sprite.close();
      this.#sprites.delete(flight);
    }
  }

  #redraw(address: string): void {
    for (const [flight, sprite] of this.#sprites) {
      if (!flight.layout.parts.some(({ what }) => what === address)) continue;
      sprite.close();
      this.#sprites.delete(flight);
    }
  }
}
