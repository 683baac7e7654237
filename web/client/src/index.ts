// What the package exports: the core, and the fallback to event streams.

import { Barrage as Core } from './barrage.js';
import type { Connect, Env } from './env.js';
import { Fallback } from './fallback.js';
import type { Ways } from './ways.js';

export * from './core.js';

/** A client as that of `barrage-client/core`, which also gets through where WebSocket does not. */
export class Barrage extends Core {
  /** @internal */
  override _choose(env: Env, url: string, connect: Connect, reopen: () => void): Ways {
    const can = (this._options.fallback ?? true) && typeof fetch === 'function' && typeof TextDecoder === 'function';
    return can ? new Fallback(env, url, connect, reopen) : super._choose(env, url, connect, reopen);
  }
}
