// What the package exports, with WebSocket as the only way.

export { Barrage, type BarrageEvents, type Options } from './barrage.js';
export type { Connect, Env, Nature, Socket } from './env.js';
export { BarrageError } from './errors.js';
export type { State, StateEvent } from './link.js';
export type { PublishOptions, Room, RoomEvents, RoomOptions } from './room.js';
export type { TokenSource } from './token.js';
export type { Command, Counts, Gap, Message, OwnMessage, Person, Position, Presence, Published, Push, Sender } from './types.js';
