// uni-app: new Barrage(url, uniApp(uni)).

import { miniProgram, type MiniProgram } from './task.js';
import type { Connect, Nature } from './env.js';

export type { MiniProgram, SocketTask } from './task.js';

/** The settings of a client in uni-app, of its `uni`. */
export function uniApp(uni: MiniProgram): { connect: Connect; watch(on: Nature): () => void; fallback: false } {
  return miniProgram(uni);
}
