// The fallback: the same client, where WebSocket does not get through.

import { createServer, request, type Server as HTTP } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';

import { Barrage, type Gap, type Message, type Options, type OwnMessage } from '../src/index.js';
import { Server, node, until } from './server.js';

let server: Server;
let proxy: HTTP; // as such networks are: requests pass, upgrades do not
let upgrades = 0;
let broken = true;
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
    if (broken) return socket.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n');
    const on = request({ port: server.port, host: '127.0.0.1', path: from.url, headers: from.headers }).end();
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
