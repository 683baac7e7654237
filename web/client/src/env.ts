// What the client needs of the place that it runs in. Tests and hosts that lack it give
// their own.

/** A socket, as far as the client uses one: a `WebSocket`, or what an adapter makes. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** Opens a socket, as `new WebSocket(url, protocols)` does. */
export type Connect = (url: string, protocols: string[]) => Socket;

/** Clock, timers and chance. */
export interface Env {
  /** Milliseconds that never go back. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  random(): number;
  setTimeout(f: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** What a page goes through: see {@link watchPage}. */
export interface Nature {
  /** The page is awake, seen, or has a network again. */
  wake(): void;
  /** The page is about to be frozen or put away. */
  sleep(): void;
  /** The network is said to be gone. */
  offline(): void;
}

export const host: Env = {
  now: () => (typeof performance === 'undefined' ? Date.now() : performance.now()),
  wall: () => Date.now(),
  random: () => Math.random(),
  setTimeout: (f, ms) => setTimeout(f, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
};

interface Target {
  addEventListener?(type: string, f: () => void): void;
  removeEventListener?(type: string, f: () => void): void;
  visibilityState?: string;
}

/** Tells what the page goes through, where there is one, until the returned function is called. */
export function watchPage(
  on: Nature,
  page: Target = globalThis as Target,
  doc: Target | undefined = (globalThis as { document?: Target }).document,
): () => void {
  const ends: (() => void)[] = [];
  const listen = (target: Target | undefined, type: string, f: () => void): void => {
    if (!target?.addEventListener) return;
    target.addEventListener(type, f);
    ends.push(() => target.removeEventListener?.(type, f));
  };
  const wake = (): void => on.wake();
  const sleep = (): void => on.sleep();
  listen(page, 'online', wake);
  listen(page, 'offline', () => on.offline());
  listen(page, 'pageshow', wake);
  listen(page, 'pagehide', sleep);
  listen(doc, 'visibilitychange', () => doc?.visibilityState === 'visible' && on.wake());
  listen(doc, 'freeze', sleep);
  listen(doc, 'resume', wake);
  return () => ends.forEach((end) => end());
}
