// The stage's place on the page: its layer, its size and its letters, and what
// follows from them and the visitor's settings for comments.

import type { Conditions } from './air.js';
import type { Settings } from './settings.js';
import { LINE, type Look, type Outline } from './sprite.js';

const ROWS_A_LINE = 2; // rows are finer than lines, for comments of other sizes
const GAP = 1.2; // sizes of letters between comments in a lane
const STAND_MS = 4500;

export class Stage {
  readonly layer = document.createElement('div');
  readonly #root: HTMLElement;
  readonly #observer: ResizeObserver;
  width = 0;
  height = 0;
  #px = 24;
  #family = 'sans-serif';

  constructor(root: HTMLElement, resized: () => void) {
    this.#root = root;
    if (getComputedStyle(root).position === 'static') root.style.position = 'relative';
    Object.assign(this.layer.style, { position: 'absolute', inset: '0', overflow: 'hidden', pointerEvents: 'none', contain: 'strict' });
    root.append(this.layer);
    this.#observer = new ResizeObserver(resized);
    this.#observer.observe(this.layer);
    this.measure();
  }

  measure(): void {
    const { fontSize, fontFamily } = getComputedStyle(this.#root);
    this.#px = parseFloat(fontSize);
    this.#family = fontFamily;
    this.width = this.layer.clientWidth;
    this.height = this.layer.clientHeight;
  }

  look(settings: Settings, outline: Outline, ratio: number): Look {
    return { family: this.#family, px: this.#px * settings.fontSize, weight: '600', outline, ratio };
  }

  // A wide stage takes longer to cross than a phone, but not as much longer as it
  // is wider.
  conditions(settings: Settings, limit: number, still: boolean): Conditions {
    const px = this.#px * settings.fontSize;
    return {
      stage: this.width,
      height: this.height,
      flightMs: Math.min(12_000, 5_000 + this.width * 3.4) / settings.speed,
      standMs: STAND_MS / settings.speed,
      rowPx: (px * LINE) / ROWS_A_LINE,
      area: settings.area,
      limit: Math.max(1, Math.round(limit * settings.density)),
      gapPx: px * GAP,
      overflow: settings.overflow,
      still,
    };
  }

  destroy(): void {
    this.#observer.disconnect();
    this.layer.remove();
  }
}
