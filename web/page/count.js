// How many are in the room, asked every few seconds while the page is
// looked at and connected. It is a nicety: whatever fails shows as unknown (null) and is
// asked again.

const EVERY_MS = 5_000;

export class Counter {
  #ask;
  #onCount;
  #timer = 0;
  #turn = 0; // tells old answers from new ones

  // ask resolves with {connections}.
  constructor(ask, onCount) {
    this.#ask = ask;
    this.#onCount = onCount;
  }

  start() {
    this.stop();
    this.#next(this.#turn);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#turn++;
  }

  async #next(turn) {
    const counts = await this.#ask().catch(() => null);
    if (turn !== this.#turn) return;
    this.#onCount(counts?.connections ?? null);
    this.#timer = setTimeout(() => this.#next(turn), EVERY_MS);
  }
}
