// How many are in the room, asked of the server every few seconds while the
// page is looked at and connected. It is a nicety: whatever fails shows as
// unknown (null) and is asked again.

const EVERY_MS = 5_000;

export class Counter {
  #room;
  #onCount;
  #timer = 0;
  #asking = null;

  constructor(room, onCount) {
    this.#room = room;
    this.#onCount = onCount;
  }

  start() {
    this.stop();
    this.#ask();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = null;
  }

  async #ask() {
    const asking = new AbortController();
    this.#asking = asking;
    const patience = setTimeout(() => asking.abort(), EVERY_MS);
    const members = await this.#fetch(asking.signal).catch(() => null);
    clearTimeout(patience);
    if (this.#asking !== asking) return; // stopped or begun anew meanwhile
    this.#onCount(members);
    this.#timer = setTimeout(() => this.#ask(), EVERY_MS);
  }

  async #fetch(signal) {
    const response = await fetch(`./count?room=${encodeURIComponent(this.#room)}`, { signal, cache: 'no-store' });
    const { members } = await response.json();
    return response.ok && Number.isSafeInteger(members) && members >= 0 ? members : null;
  }
}
