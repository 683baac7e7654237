// WeChat mini programs: new Barrage(url, wechat(wx)).

import { miniProgram, type MiniProgram } from './task.js';
import type { Connect, Nature } from './env.js';

export type { MiniProgram, SocketTask } from './task.js';

/** The settings of a client in a WeChat mini program, of its `wx`. */
export function wechat(wx: MiniProgram): { connect: Connect; watch(on: Nature): () => void; fallback: false } {
  return miniProgram(wx);
}
