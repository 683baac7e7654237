// One connection for several clients, of the tabs of a browser: each of them speaks
// barrage.v1 as if it had one of its own.
//
// A room is joined once, for all of them. Who comes to a room that another one is in already
// is answered from its history, and what is said meanwhile waits until then: the client
// knows by the offsets what it has. A room is left when the last of them leaves it. When the
// connection ends all of them are told, and come back by themselves.

import type { Connect, Env, Socket } from './env.js';
import type { Command, Position, Push, WireMessage } from './types.js';

/** A client: what it is told is a text of barrage.v1, or that the connection is open or has ended. */
export interface Tab {
  post(message: { open?: true; text?: string; close?: { code: number; reason: string } }): void;
}

type Asked = Command & { id: number; room: string };
interface Reply {
  ok?: Record<string, unknown>;
  error?: object;
}

interface Seat {
  held?: string[] | undefined; // pushes, until its join is answered
  presence: boolean;
}

interface Shared {
  joined: boolean;
  seats: Map<Tab, Seat>;
  queue: [Tab, Asked][]; // joins that wait for the one under way
  presence: boolean;
  hidden: boolean;
  at?: Position;
  counts: object;
}

const PING_MS = 4_000;
const PAGE = 500;

export class Line {
  private _tabs = new Set<Tab>();
  private _rooms = new Map<string, Shared>();
  private _served = new Map<string, Push>(); // rooms that the server put it in by itself
  private _calls = new Map<number, (reply: Reply) => void>();
  private _last = 0;
  private _socket: Socket;
  private _opened = false;
  private _welcome: Push | undefined;
  private _welcomed = 0;
  private _worker: Tab | undefined; // serves requests
  private _over = false;

  constructor(
    private _env: Env,
    connect: Connect,
    url: string,
    protocols: string[],
    private _ended: () => void,
  ) {
    const socket = (this._socket = connect(url, protocols));
    socket.onopen = () => {
      this._opened = true;
      this._all({ open: true });
    };
    socket.onmessage = ({ data }) => this._heard(String(data));
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }) => this._end(code, reason);
  }

  attach(tab: Tab): void {
    this._tabs.add(tab);
    if (this._opened) tab.post({ open: true });
    if (!this._welcome) return;
    const time = Number(this._welcome['time']) + this._env.now() - this._welcomed;
    this._tell(tab, { ...this._welcome, time: Math.round(time) });
    for (const joined of this._served.values()) this._tell(tab, joined);
  }

  /** A client is gone, or has closed its connection. */
  drop(tab: Tab): void {
    if (!this._tabs.delete(tab)) return;
    for (const room of this._rooms.keys()) this._leave(tab, { cmd: 'leave', id: 0, room });
    if (this._tabs.size) return;
    this._over = true;
    this._socket.onmessage = this._socket.onclose = null;
    this._socket.close(1000);
    this._ended();
  }

  /** What a client sends. */
  take(tab: Tab, text: string): void {
    const command = JSON.parse(text) as Asked;
    if (command.cmd === 'join') this._join(tab, command);
    else if (command.cmd === 'leave') this._leave(tab, command);
    else this._pass(tab, command);
  }

  private _pass(tab: Tab, command: Asked): void {
    const { cmd, room } = command;
    // Who pings wants to know whether the server is there; so do the others.
    const dead = cmd === 'ping' ? this._env.setTimeout(() => this._end(1006, 'no answer'), PING_MS) : undefined;
    if (cmd === 'serve') this._worker = tab;
    this._ask(command, (reply) => {
      this._env.clearTimeout(dead);
      if (cmd === 'auth' && reply.ok && this._welcome) {
        const { auth: _, ...known } = this._welcome;
        this._welcome = { ...known, ...reply.ok, time: this._env.wall(), push: 'welcome' };
        this._welcomed = this._env.now();
      }
      const shared = cmd === 'ping' && this._rooms.get(room);
      if (shared && reply.ok) this._note(shared, reply.ok);
      this._reply(tab, command, reply);
    });
  }

  private _join(tab: Tab, command: Asked): void {
    const shared = this._rooms.get(command.room);
    if (!shared) return this._enter(tab, command);
    if (!shared.joined) return void shared.queue.push([tab, command]);
    const presence = shared.presence || !!command['presence'];
    const hidden = shared.hidden && !!command['hidden'];
    if (presence === shared.presence && hidden === shared.hidden) return this._sit(tab, command, shared);
    shared.queue.push([tab, command]);
    this._again(command.room, Object.assign(shared, { presence, hidden, joined: false }));
  }

  // _enter joins for the first of them.
  private _enter(tab: Tab, command: Asked): void {
    const presence = !!command['presence'];
    const shared: Shared = { joined: false, seats: new Map([[tab, { presence }]]), queue: [], presence, hidden: !!command['hidden'], counts: {} };
    this._rooms.set(command.room, shared);
    this._ask(command, (reply) => {
      this._reply(tab, command, reply);
      if (this._rooms.get(command.room) !== shared) return; // left meanwhile
      if (reply.ok) this._note(shared, reply.ok);
      else this._rooms.delete(command.room);
      this._joined(command.room, shared);
    });
  }

  // _again joins anew, for all who are in, as one more wants to be told of more, or be seen.
  private _again(room: string, shared: Shared): void {
    const { presence, hidden, at } = shared;
    this._ask({ cmd: 'leave', room }, () => {});
    this._ask({ cmd: 'join', room, presence, hidden, ...(at ? { since: at } : {}) }, ({ ok }) => {
      if (!ok) return this._end(1006, 'the room was not joined again');
      for (const m of (ok['messages'] as object[]) ?? []) this._say(room, shared, { push: 'message', ...m, room } as Push);
      if (ok['gap']) this._say(room, shared, { push: 'gap', ...(ok['gap'] as object), room });
      this._note(shared, ok);
      if (this._rooms.get(room) === shared) this._joined(room, shared);
    });
  }

  private _joined(room: string, shared: Shared): void {
    shared.joined = true;
    for (const [tab, command] of shared.queue.splice(0)) this._join(tab, command);
    this._empty(room, shared);
  }

  // _sit has one more sit down where others are.
  private _sit(tab: Tab, command: Asked, shared: Shared): void {
    const { room, since, history } = command as Asked & { since?: Position; history?: number };
    const seat: Seat = { held: [], presence: !!command['presence'] };
    shared.seats.set(tab, seat);
    this._ask({ cmd: 'history', room, limit: since ? PAGE : history || 1, ...(since ? { since } : {}) }, ({ ok, error }) => {
      if (shared.seats.get(tab) !== seat) return this._reply(tab, command, { error: { code: 'not_joined', message: 'the room was left' } });
      if (!ok) {
        shared.seats.delete(tab);
        this._reply(tab, command, { error: error! });
        return this._empty(room, shared);
      }
      const { messages = [], gap, more, epoch, offset } = ok as unknown as { messages?: WireMessage[]; gap?: object; more?: boolean } & Position;
      const last = messages[messages.length - 1]?.offset;
      const short = since && more && last;
      const resumed = since ? (gap ? { gap } : { resumed: true }) : {};
      this._reply(tab, command, { ok: { room, ...shared.counts, epoch, offset: short ? last : offset, ...resumed, ...(since || history ? { messages } : {}) } });
      if (short) this._tell(tab, { push: 'gap', room, reason: 'large', epoch, from: last + 1, to: offset });
      const { held = [] } = seat;
      seat.held = undefined;
      for (const text of held) tab.post({ text });
    });
  }

  private _leave(tab: Tab, command: Asked): void {
    const shared = this._rooms.get(command.room);
    if (!shared) return this._pass(tab, command);
    shared.seats.delete(tab);
    shared.queue = shared.queue.filter(([of]) => of !== tab);
    if (!this._empty(command.room, shared, (reply) => this._reply(tab, command, reply))) this._reply(tab, command, { ok: {} });
  }

  // _empty leaves a room that nobody is in any more.
  private _empty(room: string, { seats, queue }: Shared, done: (reply: Reply) => void = () => {}): boolean {
    if (seats.size || queue.length || !this._rooms.delete(room)) return false;
    this._ask({ cmd: 'leave', room }, done);
    return true;
  }

  private _ask(command: Command, done: (reply: Reply) => void): void {
    this._calls.set(++this._last, done);
    if (!this._over) this._socket.send(JSON.stringify({ ...command, id: this._last }));
  }

  private _reply(tab: Tab, { id }: Asked, { ok, error }: Reply): void {
    if (id) this._tell(tab, { id, ...(error ? { error } : { ok: ok ?? {} }) } as never);
  }

  private _heard(text: string): void {
    let object: Push & Reply & { id: number };
    try {
      object = JSON.parse(text);
    } catch {
      return this._end(1006, 'the server does not speak barrage.v1');
    }
    if (!object.push) {
      const done = this._calls.get(object.id);
      this._calls.delete(object.id);
      done?.(object);
    } else if (object.push === 'batch') for (const push of object['batch'] as Push[]) this._push(push, JSON.stringify(push));
    else this._push(object, text);
  }

  private _push(push: Push, text: string): void {
    const { room } = push;
    const shared = this._rooms.get(room ?? '');
    if (push.push === 'welcome') {
      this._welcome = push;
      this._welcomed = this._env.now();
    }
    if (shared) {
      this._say(room!, shared, push, text);
    } else if (/^(request|cancel)$/.test(push.push)) this._worker?.post({ text });
    else if (room === undefined || push.push === 'joined' || this._served.has(room)) {
      if (push.push === 'joined') this._served.set(room!, { push: 'joined', room: room!, epoch: push['epoch'], offset: push['offset'] });
      else if (push['offset']) Object.assign(this._served.get(room!) ?? {}, { epoch: push['epoch'], offset: push['offset'] });
      this._all({ text });
    }
  }

  // _say tells those who are in a room.
  private _say(room: string, shared: Shared, push: Push, text = JSON.stringify(push)): void {
    this._note(shared, push);
    for (const [tab, seat] of shared.seats) {
      if (push.push === 'presence' && !seat.presence) continue;
      if (seat.held) seat.held.push(text);
      else tab.post({ text });
    }
    if (push.push === 'left') this._rooms.delete(room);
  }

  // _note keeps what those who come later are told.
  private _note(shared: Shared, { epoch, offset, users, connections }: Record<string, unknown>): void {
    if (epoch && offset !== undefined) shared.at = { epoch, offset } as Position;
    if (users !== undefined) shared.counts = { users, connections };
  }

  private _tell(tab: Tab, object: object): void {
    tab.post({ text: JSON.stringify(object) });
  }

  private _all(message: Parameters<Tab['post']>[0]): void {
    for (const tab of [...this._tabs]) tab.post(message);
  }

  private _end(code: number, reason: string): void {
    if (this._over) return;
    this._over = true;
    this._socket.onmessage = this._socket.onclose = null;
    this._socket.close();
    this._ended();
    this._all({ close: { code, reason } });
  }
}
