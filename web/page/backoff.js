// How long to wait before the next attempt to connect: exponential backoff with
// full jitter. The first retry is spread out too: when a server restarts, all
// its viewers lose it in the same instant.

const BASE_MS = 1_000;
const CAP_MS = 30_000;

export function backoffMs(attempt, random = Math.random) {
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt);
}
