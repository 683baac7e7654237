// A token bucket that keeps the page's own sending under the server's limit of
// 10 messages a second with bursts of 20, past which the server drops without a
// word. It stays a little lower: messages may bunch up on their way.

const PER_SECOND = 8;
const BURST = 16;

export class Limiter {
  #tokens = BURST;
  #since;

  constructor(nowMs) {
    this.#since = nowMs;
  }

  take(nowMs) {
    const refill = (Math.max(0, nowMs - this.#since) / 1000) * PER_SECOND;
    this.#tokens = Math.min(BURST, this.#tokens + refill);
    this.#since = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
