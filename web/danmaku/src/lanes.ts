// Which lane a comment flies in. The stage is cut into thin rows, and a comment
// takes as many adjacent ones as it is high. All modes share them: a comment is
// put only where by geometry it touches none that is there, whatever the speeds
// and directions, at no time until one of the two is gone.

import { clashMs, type Path } from './path.js';

export type Fill = 'top' | 'bottom' | 'spread';

// Part is some of the rows: from one up to another that is not in it.
export interface Part {
  readonly from: number;
  readonly to: number;
}

export class Lanes {
  #rows: Path[][] = [[]];
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  get whole(): Part {
    return { from: 0, to: this.#rows.length };
  }

  // resize keeps what flies in the rows that remain.
  resize(count: number): void {
    const wanted = Math.max(1, Math.floor(count));
    while (this.#rows.length < wanted) this.#rows.push([]);
    this.#rows.length = wanted;
  }

  clear(): void {
    for (const row of this.#rows) row.length = 0;
  }

  // place finds a row from which on so many are free for the path, and takes
  // them; -1 where there is none. What is higher than the part takes all of it.
  place(path: Path, span: number, gap: number, fill: Fill, part: Part = this.whole): number {
    const high = Math.min(span, part.to - part.from);
    const free = this.#rows.slice(part.from, part.to).map((row) => this.#free(row, path, gap));
    for (const start of this.#starts(free.length - high, high, fill)) {
      if (free.slice(start, start + high).every(Boolean)) return this.occupy(path, part.from + start, high);
    }
    return -1;
  }

  // overlay takes the rows where the path is over others for the shortest time.
  overlay(path: Path, span: number, part: Part = this.whole): number {
    const high = Math.min(span, part.to - part.from);
    const crowd = this.#rows.map((row) => row.reduce((sum, other) => sum + clashMs(other, path, 0), 0));
    let [best, least] = [part.from, Infinity];
    for (let start = part.from; start + high <= part.to; start++) {
      const sum = crowd.slice(start, start + high).reduce((a, b) => a + b, 0);
      if (sum < least) [best, least] = [start, sum];
    }
    return this.occupy(path, best, high);
  }

  // occupy takes rows whatever is in them.
  occupy(path: Path, start: number, high: number): number {
    for (const row of this.#rows.slice(start, start + high)) row.push(path);
    return start;
  }

  // replace gives a comment in the air another path, or none.
  replace(before: Path, after: Path | null): void {
    for (const row of this.#rows) {
      const at = row.indexOf(before);
      if (at < 0) continue;
      if (after) row[at] = after;
      else row.splice(at, 1);
    }
  }

  // #free forgets what is gone by the time the path begins.
  #free(row: Path[], path: Path, gap: number): boolean {
    let kept = 0;
    let free = true;
    for (const other of row) {
      if (other.end <= path.start) continue;
      row[kept++] = other;
      if (free && clashMs(other, path, gap) > 0) free = false;
    }
    row.length = kept;
    return free;
  }

  // #starts lists where a comment could begin, the preferred first. Spread over
  // the stage they keep to multiples of their height where they can, or the rows
  // between them would be too thin for anything.
  #starts(last: number, high: number, fill: Fill): number[] {
    const all = Array.from({ length: last + 1 }, (_, row) => row);
    if (fill === 'top') return all;
    if (fill === 'bottom') return all.reverse();
    const even = all.filter((row) => row % high === 0);
    for (let i = even.length - 1; i > 0; i--) {
      const j = Math.floor(this.#random() * (i + 1));
      [even[i], even[j]] = [even[j]!, even[i]!];
    }
    return even.concat(all.filter((row) => row % high !== 0));
  }
}
