// One connection for all tabs of a browser: new Barrage(url, shared()). It is in a
// SharedWorker; where there is none, each tab has its own.

import type { Connect, Socket } from './env.js';

/** Settings of {@link shared}. */
export interface SharedOptions {
  /** Where the worker's script is, on the page's own host: default `/client-worker.js`. */
  worker?: string;
  /** Tabs share a connection if this is the same: a user's name, for instance. Default the token. */
  as?: string;
}

/** @internal What a tab tells the worker. */
export interface FromTab {
  open?: { key: string; url: string; protocols: string[]; lock: string };
  text?: string;
  close?: true;
}

interface FromWorker {
  worker?: string;
  open?: true;
  text?: string;
  close?: { code: number; reason: string };
}

/** The name says what tabs and worker understand: those of another version have another worker. */
const NAME = 'barrage 1';
/** A worker that says nothing for so long is none. */
const PATIENCE_MS = 6_000;

let broken = false; // there is no worker: its script may be forbidden, or not be there

/** The settings of a client that shares its connection with those of other tabs. */
export function shared({ worker = '/client-worker.js', as }: SharedOptions = {}): { connect?: Connect } {
  if (typeof SharedWorker !== 'function' || !globalThis.navigator?.locks) return {};
  return {
    connect: (url, protocols) => {
      try {
        if (!broken) return new SharedSocket(worker, as ?? protocols.join(), url, protocols);
      } catch {
        broken = true; // some browsers throw where a worker is forbidden
      }
      return new WebSocket(url, protocols) as never;
    },
  };
}

class SharedSocket implements Socket {
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;
  private _port: MessagePort;
  private _lock = 'barrage:' + crypto.getRandomValues(new Uint32Array(4)).join('-');
  private _release: (() => void) | undefined;
  private _timer: unknown;
  private _waits = new AbortController(); // for the end of the worker
  private _own: WebSocket | undefined; // where there is no worker after all
  private _over = false;

  constructor(
    script: string,
    as: string,
    private _url: string,
    private _protocols: string[],
  ) {
    const worker = new SharedWorker(script, { name: NAME });
    worker.onerror = () => this._none();
    this._timer = setTimeout(() => this._none(), PATIENCE_MS);
    this._port = worker.port;
    this._port.onmessage = ({ data }: MessageEvent<FromWorker>) => this._told(data, _url + '\n' + as);
  }

  send(text: string): void {
    if (this._own) this._own.send(text);
    else this._tell({ text });
  }

  close(): void {
    if (this._over) return;
    this._over = true;
    clearTimeout(this._timer as number);
    this._own?.close(1000);
    this._tell({ close: true });
    this._waits.abort();
    this._release?.();
  }

  private _tell(message: FromTab): void {
    this._port.postMessage(message);
  }

  private _told({ worker, open, text, close }: FromWorker, key: string): void {
    if (this._over) return;
    if (worker && !this._own) this._begin(worker, key);
    else if (open) this.onopen?.({} as never);
    else if (text !== undefined) this.onmessage?.({ data: text });
    else if (close) this._end(close.code, close.reason);
  }

  private _begin(worker: string, key: string): void {
    clearTimeout(this._timer as number);
    void navigator.locks.request(this._lock, () => {
      if (this._over) return;
      this._tell({ open: { key, url: this._url, protocols: this._protocols, lock: this._lock } });
      return new Promise<void>((resolve) => (this._release = resolve));
    });
    navigator.locks.request(worker, { signal: this._waits.signal }, () => this._end(1006, 'the shared worker is gone')).catch(() => {});
  }

  private _none(): void {
    broken = true;
    if (this._over || this._own) return;
    clearTimeout(this._timer as number);
    this._tell({ close: true });
    const own = (this._own = new WebSocket(this._url, this._protocols));
    own.onopen = () => this._told({ open: true }, '');
    own.onmessage = ({ data }) => this._told({ text: String(data) }, '');
    own.onclose = ({ code, reason }) => this._told({ close: { code, reason } }, '');
  }

  private _end(code: number, reason: string): void {
    if (this._over) return;
    this.close();
    this.onclose?.({ code, reason });
  }
}
