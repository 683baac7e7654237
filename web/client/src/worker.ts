// The SharedWorker of shared.ts: the connections, each for all tabs that may share it.
//
// A tab that is gone says nothing. But each holds a lock while it has a connection, and the
// worker waits for all of them; so do the tabs for the lock of the worker.

import { host } from './env.js';
import { Line, type Tab } from './line.js';
import type { FromTab } from './shared.js';

interface Scope {
  onconnect: (event: { ports: readonly MessagePort[] }) => void;
}

const lines = new Map<string, Line>();
const me = 'barrage:' + crypto.getRandomValues(new Uint32Array(4)).join('-');
const held = new Promise<void>((resolve) => void navigator.locks.request(me, () => (resolve(), new Promise(() => {}))));

(globalThis as unknown as Scope).onconnect = ({ ports: [port] }) => serve(port!);

function serve(port: MessagePort): void {
  let line: Line | undefined;
  const tab: Tab = { post: (message) => port.postMessage(message) };
  const end = (): void => {
    line?.drop(tab);
    line = undefined;
    port.close();
  };
  port.onmessage = ({ data: { open, text, close } }: MessageEvent<FromTab>) => {
    if (open) {
      line = lineOf(open);
      line.attach(tab);
      void navigator.locks.request(open.lock, end);
    } else if (text !== undefined) line?.take(tab, text);
    else if (close) end();
  };
  void held.then(() => port.postMessage({ worker: me }));
}

function lineOf({ key, url, protocols }: NonNullable<FromTab['open']>): Line {
  let line = lines.get(key);
  if (!line) {
    const made: Line = new Line(host, (u, p) => new WebSocket(u, p) as never, url, protocols, () => lines.get(key) === made && lines.delete(key));
    lines.set(key, (line = made));
  }
  return line;
}
