// The fallback: the same client, where WebSocket does not get through.

import { createServer, request, type Server as HTTP } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket as NodeSocket, WebSocketServer } from 'ws';

import { Barrage, type Gap, type Message, type Options, type OwnMessage } from '../src/index.js';
import { Server, node, until } from './server.js';

let server: Server;
let proxy: HTTP; // as such networks are: requests pass, upgrades do not
let upgrades = 0;
let broken = true;
let streamless = false; // no stream gets through
let meets: ((socket: InstanceType<typeof NodeSocket>) => void)[] = []; // what the next WebSockets meet, opened by somebody else than the server
const opener = new WebSocketServer({ noServer: true });
let away = 0; // so many requests get no answer, and no WebSocket until then
const live = new Set<{ destroy(): void }>(); // WebSockets
const streams = new Set<{ destroy(): void }>();
const clients: Barrage[] = [];
const stored = new Map<string, string>();

const connect = (options: Options = {}): Barrage => {
  const url = `ws://127.0.0.1:${(proxy.address() as AddressInfo).port}/ws`;
  const client = new Barrage(url, { ...node, env: { random: () => Math.random() * 0.001 }, ...options });
  clients.push(client);
  return client;
};

beforeAll(async () => {
  server = await Server.start('--publish-rate', '1000', '--publish-burst', '1000');
  proxy = createServer((from, to) => {
    if (away) return away--, to.destroy();
    if (streamless && from.url!.startsWith('/sse')) return to.writeHead(502).end('no streams here');
    const on = request({ port: server.port, host: '127.0.0.1', path: from.url, method: from.method, headers: from.headers }, (answer) => {
      to.writeHead(answer.statusCode!, answer.headers);
      to.flushHeaders();
      answer.pipe(to);
      if (from.url!.startsWith('/sse')) streams.add(to);
      to.on('close', () => (answer.destroy(), streams.delete(to)));
    });
    on.on('error', () => to.destroy());
    from.pipe(on);
  }).listen(0, '127.0.0.1');
  proxy.on('upgrade', (from, socket, head) => {
    upgrades++;
    const meet = meets.shift();
    if (meet) return opener.handleUpgrade(from, socket, head, meet);
    if (away) return socket.destroy();
    live.add(socket);
    socket.on('close', () => live.delete(socket));
    if (broken) return socket.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n');
    const on = request({ port: server.port, host: '127.0.0.1', path: from.url, headers: from.headers }).end();
    on.on('error', () => socket.destroy());
    on.on('upgrade', (answer, there, first) => {
      const lines = answer.rawHeaders.reduce((t, h, i) => t + h + (i % 2 ? '\r\n' : ': '), 'HTTP/1.1 101 Switching Protocols\r\n');
      socket.write(lines + '\r\n');
      socket.write(first);
      there.pipe(socket).pipe(there);
      if (head.length) there.write(head);
      socket.on('error', () => there.destroy()).on('close', () => there.destroy());
      there.on('error', () => socket.destroy());
    });
  });
  await once(proxy, 'listening');
});
beforeEach(() => {
  broken = true;
  streamless = false;
  meets = [];
  upgrades = 0;
  stored.clear();
  vi.stubGlobal('localStorage', { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => void stored.set(k, v) });
});
afterEach(() => {
  clients.splice(0).forEach((c) => c.close());
  vi.unstubAllGlobals();
});
afterAll(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await server.stop();
});

test('messages go and come, several rooms, each once, over cuts of the stream', async () => {
  const client = connect();
  const ways: unknown[] = [];
  client.on('state', (e) => e.via && ways.push(e.via));
  const heard: Record<string, unknown[]> = { a: [], b: [] };
  const rooms = ['a', 'b'].map((name) => {
    const room = client.room<number>(name);
    room.on('message', (m) => heard[name]!.push(m.data));
    room.on('gap', (g) => heard[name]!.push(g));
    return room;
  });
  for (let i = 0; i < 12; i++) {
    await rooms[i % 2]!.publish(i);
    if (i % 3 === 2) for (const s of streams) s.destroy();
  }
  const third = client.room<number>('c'); // opens the stream anew
  await third.joined();
  await rooms[0]!.publish(12);
  await until('all came', () => heard['a']!.length + heard['b']!.length === 13);
  expect(heard).toEqual({ a: [0, 2, 4, 6, 8, 10, 12], b: [1, 3, 5, 7, 9, 11] });
  expect(new Set(ways)).toEqual(new Set(['events']));
  await rooms[1]!.leave();
  await server.publish('b', 'late');
  await rooms[0]!.publish(13);
  await until('the last came', () => heard['a']!.length === 8);
  expect(heard['b']).toHaveLength(6);
});

test('it is remembered for a while, and then WebSocket is back', async () => {
  let shift = 0;
  const env = { random: () => 0.001, wall: () => Date.now() + shift };
  const first = connect({ env });
  await first.room('a').joined();
  expect(upgrades).toBe(1);
  first.close();
  const second = connect({ env });
  await second.room('a').joined();
  expect(upgrades).toBe(1);
  second.close();
  shift = 11 * 60_000;
  broken = false;
  const third = connect({ env });
  const ways: unknown[] = [];
  third.on('state', (e) => e.via && ways.push(e.via));
  await third.room('a').joined();
  expect([upgrades, ways]).toEqual([2, ['websocket']]);
});

test('a connection by events comes back to WebSocket by itself', async () => {
  const timers: [() => void, number][] = [];
  const client = connect({
    env: { random: () => 0.001, setTimeout: (f, ms) => (ms === 600_000 ? timers.push([f, ms]) : setTimeout(f, ms)), clearTimeout: (t) => clearTimeout(t as number) },
  });
  const ways: unknown[] = [];
  client.on('state', (e) => e.via && ways.push(e.via));
  const room = client.room<number>('back');
  const heard: unknown[] = [];
  room.on('message', (m) => heard.push(m.data));
  await room.publish(1);
  await until('1 came', () => heard.length === 1);
  broken = false;
  expect(timers).toHaveLength(1);
  stored.clear();
  timers[0]![0]();
  await until('it is open by WebSocket', () => ways.at(-1) === 'websocket');
  await room.publish(2);
  await until('2 came', () => heard.length === 2);
  expect(heard).toEqual([1, 2]);
});

test('an own comment is shown at once, and not twice', async () => {
  const room = connect().room<string>('echo', { optimistic: true });
  const own: OwnMessage<string>[] = [];
  const heard: Message<string>[] = [];
  room.on('own', (o) => own.push({ ...o }));
  room.on('message', (m) => heard.push(m));
  await room.joined();
  await Promise.all([room.publish('one'), room.publish('two')]);
  await server.publish('echo', 'other');
  await until('the other came', () => heard.some((m) => m.data === 'other'));
  expect(own.map((o) => [o.data, o.state])).toEqual([['one', 'pending'], ['two', 'pending'], ['one', 'sent'], ['two', 'sent']]);
  expect(heard.map((m) => m.data)).toEqual(['other']);
});

test('what is gone is a gap, what is not to be had is refused', async () => {
  const client = connect();
  const room = client.room('a', { since: { epoch: 'old', offset: 3 } });
  const gaps: Gap[] = [];
  room.on('gap', (g) => gaps.push(g));
  await room.joined();
  expect(gaps).toMatchObject([{ room: 'a', epoch: 'old', from: 4, reason: 'epoch' }]);
  await expect(client.lastSeen('ann')).rejects.toMatchObject({ code: 'unsupported' });
  const other = client.room('no spaces');
  await expect(other.joined()).rejects.toMatchObject({ code: 'bad_room' });
  await room.publish('still here');
});

// A client whose waits are short, the ways that it came, and the timers of its long waits: for
// an answer, and until WebSocket is tried again.
function followed(): { client: Barrage; ways: unknown[]; later: Map<number, () => void> } {
  const later = new Map<number, () => void>();
  const client = connect({
    env: {
      random: () => 0.001,
      setTimeout: (f, ms) => ([10_000, 60_000, 600_000].includes(ms) ? (later.set(ms, f), ms) : setTimeout(f, ms)),
      clearTimeout: (t) => (typeof t === 'number' ? later.delete(t) : clearTimeout(t as never)),
    },
  });
  const ways: unknown[] = [];
  client.on('state', (e) => e.via && ways.push(e.via));
  return { client, ways, later };
}
const deadline = 50_000; // not one of these

describe('which way', () => {
  test.each([4000, 4103, 4999])('a close with %d before the first message has got through: WebSocket it is', async (code) => {
    broken = false;
    meets = [1, 2, 3].map(() => (s) => s.close(code));
    const { client, ways } = followed();
    const room = client.room('a');
    for (let n = 0; n < 3 && code > 4199; n++) {
      await until('it has stopped', () => client.state === 'stopped');
      client.reconnect();
    }
    await room.joined();
    expect([ways, upgrades]).toEqual([['websocket'], 4]);
  });

  test('one cut before the first message is a cut', async () => {
    broken = false;
    meets = [(s) => s.terminate()];
    const { client, ways } = followed();
    await client.room('a').joined();
    expect([ways, upgrades]).toEqual([['websocket'], 2]);
  });

  test.each(['cuts', 'silence'])('a network that opens WebSockets, and then there is %s', async (what) => {
    const { client, ways, later } = followed();
    // Who answers a ping has opened it, and then waits in vain.
    const mute = (s: NodeSocket): void => (s.ping(), void s.on('pong', () => later.get(10_000)!()));
    meets = Array(4).fill(what === 'cuts' ? (s: NodeSocket) => s.terminate() : mute);
    await client.room('a').publish(1, { deadline });
    expect([ways, upgrades, [...later.keys()]]).toEqual([['events'], 2, [600_000]]);
  });

  test('where WebSocket has worked it must fail twice, and has another chance after a minute', async () => {
    broken = false;
    const { client, ways, later } = followed();
    const room = client.room('a');
    await room.joined();
    expect(upgrades).toBe(1);
    broken = true;
    for (const s of live) s.destroy();
    await until('events are open', () => ways.at(-1) === 'events');
    await room.publish(1, { deadline });
    expect([upgrades, [...later.keys()]]).toEqual([3, [60_000]]);
    // Still broken: now it is for long.
    const before = upgrades;
    stored.clear();
    later.get(60_000)!();
    await until('WebSocket was tried', () => upgrades > before);
    await room.publish(3, { deadline });
    await until('it is for long', () => later.has(600_000));
    expect([ways.at(-1), upgrades - before]).toEqual(['events', 1]);
  });

  test('a server that is away is no reason', async () => {
    broken = false;
    away = 4;
    const { client, ways } = followed();
    await client.room('a').joined();
    expect([ways, upgrades]).toEqual([['websocket'], 5]);
  });

  test('streams that do not get through are no better', async () => {
    streamless = true;
    const { client, ways } = followed();
    const joined = client.room('a').joined();
    await until('WebSocket is tried all the same', () => upgrades > 3);
    expect(stored.size).toBe(0);
    broken = false;
    await joined;
    expect(ways.at(-1)).toBe('websocket');
  });

  test('without a room nothing shows that streams work: WebSocket is tried after a minute', async () => {
    const { client, ways, later } = followed();
    await until('events are open', () => ways.at(-1) === 'events');
    await client.command({ cmd: 'ping' }); // any server answers that
    expect([[...later.keys()], stored.size]).toEqual([[60_000], 0]);
    broken = false;
    later.get(60_000)!();
    await until('WebSocket is open', () => ways.at(-1) === 'websocket');
  });
});

test('a server that is away is looked for by both ways', async () => {
  const client = connect();
  const room = client.room<string>('away');
  const heard: unknown[] = [];
  room.on('message', (m) => heard.push(m.data));
  await room.joined();
  await server.stop();
  const before = upgrades;
  const late = room.publish('late');
  await until('WebSocket was tried again', () => upgrades > before + 1);
  await server.run();
  await late;
  await until('it came', () => heard.includes('late'));
});
