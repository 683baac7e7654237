// Which row a comment flies in. All positions are pixels of the stage and all
// times milliseconds; comments enter at the right edge and fly left, each at its
// own constant speed.
//
// Two comments in a row touch only if the later one enters before the earlier
// one's tail is clear of the right edge, or is so much faster that it catches up
// before that tail has left at the left edge. Both are straight lines, so it is
// enough to look at the two edges.

const GAP = 36;

export class Rows {
  #last = []; // by row, the latest comment in it: {start, width, speed}
  #stageWidth = 0;
  #random;

  constructor(random = Math.random) {
    this.#random = random;
  }

  resize(count, stageWidth) {
    this.#last.length = Math.max(1, count);
    this.#stageWidth = stageWidth;
  }

  clear() {
    const count = this.#last.length;
    this.#last = [];
    this.#last.length = count;
  }

  // place takes a free row for a comment that enters now, or returns -1. Any
  // free one will do: at random, a quiet room uses the whole stage.
  place(now, width, speed) {
    const free = [];
    for (let row = 0; row < this.#last.length; row++) {
      if (this.#freeAt(row, speed) <= now) free.push(row);
    }
    if (free.length === 0) return -1;
    return this.#take(free[Math.floor(this.#random() * free.length)], now, width, speed);
  }

  // squeeze takes the row that frees first, though a comment is in the way.
  squeeze(now, width, speed) {
    let soonest = 0;
    for (let row = 1; row < this.#last.length; row++) {
      if (this.#freeAt(row, speed) < this.#freeAt(soonest, speed)) soonest = row;
    }
    return this.#take(soonest, now, width, speed);
  }

  #take(row, start, width, speed) {
    this.#last[row] = { start, width, speed };
    return row;
  }

  #freeAt(row, speed) {
    const last = this.#last[row];
    if (!last) return -Infinity;
    const tailEntered = last.start + (last.width + GAP) / last.speed;
    const tailLeft = last.start + (this.#stageWidth + last.width + GAP) / last.speed;
    return Math.max(tailEntered, tailLeft - this.#stageWidth / speed);
  }
}
