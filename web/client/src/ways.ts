// Which way to connect.

import type { Connect } from './env.js';
import type { Way } from './link.js';

/** @internal Chooses how to connect the next time. */
export interface Ways {
  /** How the present connection, or try, is made. */
  via: Way['via'];
  way(query: string, protocols: string[], token: string): Way | Promise<Way>;
  /** A connection or a try ended; `heard`: the server had said something. */
  ended(via: Way['via'] | undefined, heard: boolean, code: number): void;
  stop(): void;
}

/** @internal WebSocket, and nothing else. */
export class Direct implements Ways {
  via: Way['via'] = 'websocket';

  constructor(
    private _url: string,
    private _connect: Connect,
  ) {}

  way(query: string, protocols: string[]): Way | Promise<Way> {
    const url = this._url + (query && (this._url.includes('?') ? '&' : '?') + query);
    return { via: 'websocket', url, protocols, connect: this._connect };
  }

  ended(): void {}
  stop(): void {}
}
