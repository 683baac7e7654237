// All that a page may use of the renderer.

export type { Reason } from './air.js';
export type { Clock } from './clock.js';
export type { Comment } from './comment.js';
export { Danmaku, type Options, type Shown } from './danmaku.js';
export type { Events, Pick } from './events.js';
export type { Gift } from './gifts.js';
export type { Media } from './media.js';
export type { Mode } from './path.js';
export type { Overflow, Settings, Store } from './settings.js';
export type { Outline } from './sprite.js';
