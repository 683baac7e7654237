// Runs a scenario of client/testdata/scenarios: a WebSocket server that does what is written
// there, and a user of the client who does and sees it. The README there says what steps mean.

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

import { expect } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';

import { Barrage } from '../src/core.js';
import type { BarrageError, Connect, Message, Position, PublishOptions, Room, StateEvent } from '../src/index.js';
import { node, until } from './server.js';

type Json = Record<string, unknown>;
type Step = [verb: string, ...rest: unknown[]];

export interface Scenario {
  name: string;
  options?: { queue?: number; heartbeat?: number; token?: string; chance?: number };
  for?: Record<string, unknown[]>;
  steps: Step[];
}

/** The scenarios that one is: with `for`, one for each value. */
export function each(scenario: Scenario): Scenario[] {
  const [name, values] = Object.entries(scenario.for ?? {})[0] ?? [];
  if (!values) return [scenario];
  return values.map((value) => {
    const steps = JSON.parse(JSON.stringify(scenario.steps), (_, v) => (v === '$' + name ? value : v)) as Step[];
    return { ...scenario, name: `${scenario.name}: ${String(value)}`, steps };
  });
}

const WALL = 1_700_000_000_000;

class Peer {
  all: Json[] = []; // commands that came, but for pings
  due: Json[] = []; // those that were not waited for
  frozen = false;

  constructor(
    readonly socket: WebSocket,
    readonly raw: Duplex,
    readonly token: string | undefined,
  ) {
    socket.on('message', (text) => {
      const command = JSON.parse(String(text)) as Json;
      if (command['cmd'] !== 'ping') this.all.push(command), this.due.push(command);
      else if (!this.frozen) socket.send(JSON.stringify({ id: command['id'], ok: {} }));
    });
    socket.on('error', () => {});
  }
}

export class Run {
  private server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'barrage.v1' });
  private peers: Peer[] = []; // that nobody waited for yet
  private peer!: Peer;
  private client!: Barrage;
  private token: string | undefined;
  private rooms = new Map<string, { room: Room; seen: Json[] }>();
  private leaves = new Map<string, boolean>();
  private results = new Map<string, Json>();
  private states: StateEvent[] = [];
  private bound = new Map<string, unknown>();

  constructor(
    private scenario: Scenario,
    private connectBy: Connect = node.connect!,
  ) {}

  async run(): Promise<void> {
    this.server.on('connection', (socket: WebSocket, request: IncomingMessage) => {
      const token = /bearer\.([^,\s]+)/.exec(request.headers['sec-websocket-protocol'] ?? '')?.[1];
      this.peers.push(new Peer(socket, request.socket, token));
    });
    await once(this.server, 'listening');
    const { queue, heartbeat, chance = 0.001 } = this.scenario.options ?? {};
    this.token = this.scenario.options?.token;
    this.client = new Barrage(`ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/ws`, {
      connect: this.connectBy,
      ...(queue ? { queue } : {}),
      ...(heartbeat ? { heartbeat } : {}),
      ...(this.token ? { token: () => this.token! } : {}),
      env: { random: () => chance, wall: () => WALL },
    });
    this.client.on('state', (e) => this.states.push(e));
    try {
      for (const [at, step] of this.scenario.steps.entries()) {
        await this.step(step).catch((error: Error) => {
          throw new Error(`step ${at + 1}, ${JSON.stringify(step)}: ${error.message}; commands ${JSON.stringify(this.peer?.due)}, seen ${JSON.stringify([...this.rooms.values()].map((r) => r.seen))}`);
        });
      }
      expect([...this.rooms.values()].flatMap((r) => r.seen)).toEqual([]);
      expect(this.peer?.due ?? []).toEqual([]);
    } finally {
      this.client.close();
      this.server.clients.forEach((c) => c.terminate());
      this.server.close();
    }
  }

  private async step([verb, ...rest]: Step): Promise<void> {
    const [a, b, c, d] = rest as [never, never, never, never];
    switch (verb) {
      case 'connect': return this.connect(a, b);
      case 'get': return this.get(a);
      case 'send': return this.peer.socket.send(JSON.stringify(this.fill(a)));
      case 'push': return rest.slice(1).forEach((m) => this.peer.socket.send(JSON.stringify({ push: 'message', room: a, ...message(String(m)) })));
      case 'half': return this.half(JSON.stringify(this.fill(a)));
      case 'raw': return this.peer.socket.send(a);
      case 'cut': return this.peer.socket.terminate();
      case 'close': return this.close(a, b);
      case 'freeze': return void (this.peer.frozen = true);
      case 'join': return this.join(a, b ?? {});
      case 'leave': return this.leave(a);
      case 'left': return until('it is left', () => this.leaves.get(a));
      case 'publish': return this.publish(a, b, c, d ?? {});
      case 'result': return this.result(a, b);
      case 'token': return void (this.token = a);
      case 'sees': return this.sees(a, rest.slice(1));
      case 'waits': return this.waits(a);
      case 'stopped': return until('it has stopped', () => this.client.state === 'stopped');
    }
    throw new Error('there is no such step');
  }

  private async connect(welcome: object | null = {}, token?: string): Promise<void> {
    await until('it connects', () => this.peers.length);
    this.peer = this.peers.shift()!;
    expect(this.peer.token).toBe(token);
    if (welcome) this.peer.socket.send(JSON.stringify({ push: 'welcome', conn: 'c1', time: WALL, ...welcome }));
  }

  private async get(want: Json): Promise<void> {
    await until('the command comes', () => this.peer.due.length);
    this.match(this.peer.due.shift(), want);
  }

  private half(text: string): void {
    const head = Buffer.from(text.length < 126 ? [0x81, text.length] : [0x81, 126, text.length >> 8, text.length & 255]);
    this.peer.raw.write(Buffer.concat([head, Buffer.from(text.slice(0, text.length / 2))]), () => this.peer.socket.terminate());
  }

  // close sends the frame itself, as some codes here are none that a library would send.
  private close(code: number, reason = ''): void {
    this.peer.raw.end(Buffer.concat([Buffer.from([0x88, 2 + reason.length, code >> 8, code & 255]), Buffer.from(reason)]));
  }

  private join(name: string, { load, ...options }: { load?: string[] | null; since?: Position; history?: number }): void {
    const room = this.client.room(name, { ...options, ...(load === undefined ? {} : { load: async () => load?.map((m) => message(m) as unknown as Message) }) });
    if (this.rooms.get(name)?.room === room) return;
    const seen: Json[] = [];
    room.on('joined', ({ resumed }) => seen.push({ joined: { resumed } }));
    room.on('gap', ({ room: _, ...gap }) => seen.push({ gap }));
    room.on('left', ({ error }) => seen.push({ over: error?.code ?? 'left' }));
    room.on('message', ({ data, ...m }) => seen.push({ message: { ...m, ...(data instanceof Uint8Array ? { base64: Buffer.from(data).toString('base64') } : { data }) } }));
    this.rooms.set(name.normalize('NFC'), { room, seen });
  }

  private leave(name: string): void {
    this.leaves.set(name, false);
    void this.rooms.get(name)!.room.leave().then(() => this.leaves.set(name, true));
  }

  private publish(as: string, room: string, data: unknown, options: PublishOptions): void {
    const { base64 } = (data ?? {}) as { base64?: string };
    const value = base64 === undefined ? data : new Uint8Array(Buffer.from(base64, 'base64'));
    const done = this.rooms.get(room) ? this.rooms.get(room)!.room.publish(value, options) : publishOnly(this.client, room, value, options);
    done.then((ok) => this.results.set(as, ok as unknown as Json), (error: BarrageError) => this.results.set(as, { error: error.code }));
  }

  private async result(as: string, want: Json): Promise<void> {
    await until('it is known', () => this.results.has(as));
    this.match(this.results.get(as), { error: null, ...want });
  }

  private async sees(name: string, want: unknown[]): Promise<void> {
    const { seen } = this.rooms.get(name)!;
    await until('all was seen', () => seen.length >= want.length);
    for (const [at, event] of seen.splice(0, want.length).entries()) this.match(event, event_(want[at]));
  }

  private async waits(ms: number): Promise<void> {
    await until('it waits', () => this.states.some((s) => s.state === 'waiting'));
    const at = this.states.findIndex((s) => s.state === 'waiting');
    const [state] = this.states.splice(0, at + 1).slice(-1);
    expect(Math.round(state!.retryAt! - WALL)).toBe(ms);
  }

  // match holds a value against what it must have.
  private match(got: unknown, want: unknown): void {
    if (typeof want === 'string' && want.startsWith('=')) {
      if (this.bound.has(want)) expect(got).toEqual(this.bound.get(want));
      else expect(got).toBeTruthy();
      this.bound.set(want, got);
    } else if (want && typeof want === 'object' && !Array.isArray(want)) {
      expect(got).toBeTypeOf('object');
      for (const [name, value] of Object.entries(want)) this.match((got as Json)[name] ?? null, value);
    } else expect(got).toEqual(want);
  }

  // fill puts ids and messages where their names are.
  private fill(value: unknown): unknown {
    return JSON.parse(JSON.stringify(value), (_, v: unknown) => {
      if (typeof v !== 'string') return v;
      if (v.startsWith('@')) return message(v.slice(1));
      const [, cmd, room] = /^\$(\w+) ?(.*)$/.exec(v) ?? [];
      return cmd ? this.peer.all.filter((c) => c['cmd'] === cmd && (!room || c['room'] === room)).pop()!['id'] : v;
    });
  }
}

// publishOnly publishes to a room that the client is not in.
async function publishOnly(client: Barrage, room: string, data: unknown, options: PublishOptions): Promise<unknown> {
  const direct = client as unknown as { _publish(to: object, data: unknown, options: object, done: (error: unknown, ok: unknown) => void): void };
  return new Promise((resolve, reject) => direct._publish({ room }, data, options, (error, ok) => (error ? reject(error) : resolve(ok))));
}

function message(at: string): Json {
  const [epoch, offset] = at.split(':');
  return { id: `${epoch}-${offset}`, epoch, offset: Number(offset), time: 1, data: Number(offset) };
}

function event_(want: unknown): unknown {
  if (want === 'joined' || want === 'resumed') return { joined: { resumed: want === 'resumed' } };
  if (typeof want !== 'string') return want;
  const [at, past] = want.split(' ');
  const { time: _, ...m } = message(at!);
  return { message: { ...m, past: past === 'past' } };
}
