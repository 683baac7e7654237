// What goes over the wire, and what the client makes of it.

import type { BarrageError } from './errors.js';

/** A place in the history of a room. Offsets count 1, 2, 3 … within an epoch. */
export interface Position {
  epoch: string;
  offset: number;
}

/** Who a message is of, as the server knows. A backend may give none of them. */
export interface Sender {
  user?: string;
  name?: string;
  avatar?: string;
  conn?: string;
}

/** A message of a room, or to a user. */
export interface Message<T = unknown> {
  id: string;
  room: string;
  /** Milliseconds since 1970, by the server's clock. */
  time: number;
  /** What was published: a JSON value, or a `Uint8Array` if it was binary. */
  data: T;
  kind?: string;
  sender?: Sender;
  /** Where it is in the history; absent: in none. */
  epoch?: string;
  offset?: number;
  /** When it is of no use any more, in milliseconds since 1970. */
  expires?: number;
  /** 1 if it is pushed again until it is acknowledged. */
  qos?: number;
  /** Only the viewers on one server have it, since the server's store is out of reach. */
  local_only?: boolean;
  /** This client sent it. */
  own: boolean;
  /** It comes from the history: it was sent before the room was joined, or while away. */
  past: boolean;
}

/** Messages that are missing. Of `from` to `to` those are lost that did not come. */
export interface Gap {
  room: string;
  /**
   * `trimmed` (older than the room remembers), `epoch` (their whole history is gone; there is
   * no `to`), `slow` (this client was too slow), `overloaded` (a server was), `large` (more
   * than could be fetched), `unknown` (the room was joined without a position).
   */
  reason: string;
  epoch?: string;
  from?: number;
  to?: number;
  /** How many there are, where the server knows. */
  count?: number;
}

/** A user in a room. */
export interface Person {
  user: string;
  name?: string;
  avatar?: string;
  status?: string;
  data?: unknown;
}

/** Who came and went; in large rooms only a few of many. */
export interface Presence {
  room: string;
  join?: Person;
  leave?: Person;
  update?: Person;
  joined?: Person[];
  /** The room is small again: ask for the list. */
  exact?: boolean;
  users: number;
  connections: number;
}

/** How many are in a room: users with a token, each once, and all connections. */
export interface Counts {
  users: number;
  connections: number;
}

/** What became of a publish. */
export interface Published {
  message_id: string;
  epoch?: string;
  offset?: number;
  /** The server had it already: an earlier try had come through. */
  replayed?: boolean;
  local_only?: boolean;
  /** Of a message to a user: they are connected. */
  online?: boolean;
}

/** A message that this client publishes, while it is under way and after. */
export interface OwnMessage<T = unknown> {
  /** Tells it from others: each has another one. */
  key: string;
  room: string;
  data: T;
  kind?: string;
  /** When it was published here, in milliseconds since 1970 by this machine's clock. */
  time: number;
  state: 'pending' | 'sent' | 'failed';
  /** `sent`: what the server said. */
  published?: Published;
  /** `failed`: why. With `timeout` it may have been published all the same; if it turns out so, it is `sent` later. */
  error?: BarrageError;
}

/** @internal A message as the server sends it. */
export interface WireMessage extends Omit<Message, 'data' | 'room' | 'own' | 'past'> {
  room?: string;
  data?: unknown;
  base64?: string;
}

/** @internal The reply to a join, and the push `joined`. */
export interface Joined extends Partial<Position> {
  users?: number;
  connections?: number;
  resumed?: boolean;
  gap?: Omit<Gap, 'room'>;
  messages?: WireMessage[];
}

/** Any object that the server sends: its members are those of docs/protocol.md. */
export interface Push {
  push: string;
  room?: string;
  [member: string]: unknown;
}

/** A command of docs/protocol.md, without its `id`. */
export interface Command {
  cmd: string;
  [member: string]: unknown;
}
