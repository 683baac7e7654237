// What a client can ask the real server: presence, counts, history, direct messages,
// requests, tokens, bytes, batches.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { Barrage, type Message, type Options, type Presence } from '../src/index.js';
import { Server, node, secret, token, until } from './server.js';

let server: Server;
let backend: ReturnType<typeof createServer>;
const clients: Barrage[] = [];
const connect = (options: Options = {}): Barrage => {
  const client = new Barrage(server.url, { ...node, env: { random: () => Math.random() * 0.01 }, ...options });
  clients.push(client);
  return client;
};
const as = (user: string, more: object = {}): Barrage => connect({ token: token({ sub: user, ...more }) });

beforeAll(async () => {
  backend = createServer((request, response) => {
    request.resume().on('end', () => response.setHeader('Content-Type', 'application/json').end('{"data":["A1","A2"]}'));
  }).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  server = await Server.start(
    ...['--auth-secret', secret, '--compression', '--publish-rate', '1000', '--publish-burst', '1000', '--ack-timeout', '200ms'],
    ...['--webhook-secret', 'a secret of hooks', '--request-routes', `seat.*=http://127.0.0.1:${(backend.address() as AddressInfo).port}/`],
  );
});
afterEach(() => clients.splice(0).forEach((c) => c.close()));
afterAll(async () => {
  backend.close();
  await server.stop();
});

test('presence, counts and a status that is said again after a cut', async () => {
  const ann = as('ann');
  const told: Presence[] = [];
  const room = ann.room('table', { presence: true });
  room.on('presence', (p) => told.push(p));
  await room.joined();
  const sockets: { terminate(): void }[] = [];
  const bob = connect({
    token: token({ sub: 'bob' }),
    connect: (url, protocols) => {
      const socket = node.connect!(url, protocols);
      sockets.push(socket as never);
      return socket;
    },
  });
  const his = bob.room('table');
  await his.joined();
  await his.setStatus('away', { until: '14:00' });
  await until('ann is told', () => told.some((p) => p.update?.user === 'bob' || p.join?.status === 'away'));
  expect(await room.count()).toMatchObject({ users: 2, connections: 2 });
  expect([room.users, room.connections]).toEqual([2, 2]);
  sockets[0]!.terminate();
  await until('bob is in again, and away', async () => sockets.length > 1 && (await room.presence()).list.some((p) => p.user === 'bob' && p.status === 'away'));
});

test('history backwards, to its beginning', async () => {
  const room = as('ann').room<number>('book');
  for (let i = 1; i <= 25; i++) await room.publish(i);
  const all: number[] = [];
  let pages = 0;
  for (let page = await room.history({ limit: 10 }); ; page = await room.history({ limit: 10, before: page.before! })) {
    all.unshift(...page.messages.map((m) => m.data));
    pages++;
    if (!page.before) break;
  }
  expect(all).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
  expect(pages).toBe(3);
  const late = as('eve').room<number>('book', { history: 5 });
  const heard: [number, boolean][] = [];
  late.on('message', (m) => heard.push([m.data, m.past]));
  await late.joined();
  await room.publish(26);
  await until('it came', () => heard.length === 6);
  expect(heard).toEqual([[21, true], [22, true], [23, true], [24, true], [25, true], [26, false]]);
});

test('a direct message waits for its user, and is acknowledged once', async () => {
  const ann = as('ann');
  expect(await ann.send('dora', 'are you there?')).toMatchObject({ online: false });
  const heard: Message[] = [];
  const dora = as('dora');
  dora.on('direct', (m) => heard.push(m));
  await until('it came', () => heard.length === 1);
  expect(await ann.send('dora', { rose: 1 }, { kind: 'gift', qos: 1, ttl: 60_000 })).toMatchObject({ online: true });
  await until('the gift came', () => heard.length === 2);
  expect(heard.map((m) => [m.data, m.kind, m.sender?.user])).toEqual([['are you there?', undefined, 'ann'], [{ rose: 1 }, 'gift', 'ann']]);
  await until('it is acknowledged', () => (dora as unknown as { _ack?: object })._ack === undefined);
  dora.close();
  const again = as('dora');
  let more = 0;
  again.on('direct', () => more++);
  await ann.send('dora', 'and now?');
  await until('the next one came', () => more === 1);
});

test('a message that is kept nowhere comes, though nothing else has', async () => {
  const heard: Message[] = [];
  const eve = as('eve');
  eve.on('direct', (m) => heard.push(m));
  await new Promise((resolve) => eve.on('welcome', resolve));
  await server.order('POST', '/v1/users/eve/messages?history=false', 'typing', 'text/plain');
  await until('it came', () => heard.length === 1);
  expect(heard[0]).toMatchObject({ data: 'typing', room: 'user:eve' });
  await server.order('POST', '/v1/users/eve/messages', 'kept', 'text/plain');
  await until('what is kept came, too', () => heard.length === 2);
});

test('what is acknowledged by hand comes again on the next connection, not on this one', async () => {
  const ann = as('ann');
  const heard: Message[] = [];
  const bob = connect({ token: token({ sub: 'bob2' }), manualAck: true });
  bob.on('direct', (m) => heard.push(m));
  await ann.send('bob2', 'one', { qos: 1 });
  await until('it came', () => heard.length === 1);
  await new Promise((r) => setTimeout(r, 500)); // the server repeats it meanwhile
  expect(heard).toHaveLength(1);
  bob.close();
  const again = connect({ token: token({ sub: 'bob2' }), manualAck: true });
  again.on('direct', (m) => {
    heard.push(m);
    again.ack(m);
  });
  await until('it came again', () => heard.length === 2);
});

test('requests, and the errors of those who answer', async () => {
  const ann = as('ann');
  expect(await ann.request('seat.free', { hall: 1 })).toEqual(['A1', 'A2']);
  await expect(ann.request('nobody.serves')).rejects.toMatchObject({ code: 'unknown_method' });
  const worker = as('maker', { serve: ['thumb.*'] });
  worker.on('push', (p) => {
    if (p.push === 'request') void worker.command({ cmd: 'answer', request: p['request'], data: { width: 160 } });
  });
  await worker.command({ cmd: 'serve', methods: ['thumb.*'] });
  expect(await ann.request('thumb.make', { image: 7 })).toEqual({ width: 160 });
  expect(await as('ann', { seen: ['*'] }).lastSeen('maker')).toMatchObject({ online: true });
});

test('a token is renewed after it has expired, and before it does', async () => {
  let made = 0;
  const client = connect({ token: () => (made++, token({ sub: 'ann' }, made === 1 ? -3600 : -27)) }); // 30 s more are granted
  await client.room('tokens').joined();
  expect(made).toBeGreaterThan(1); // the first one was refused
  const before = made;
  await until('another token was got', () => made > before, 10_000);
  await client.room<number>('tokens').publish(1);
});

test('a fixed token that is refused stops the client, with the reason', async () => {
  const client = connect({ token: token({ sub: 'ann' }, -3600) });
  client.room('a').joined().catch(() => {});
  await until('it stopped', () => client.state === 'stopped');
  await expect(client.send('bob', 1)).rejects.toMatchObject({ code: 'stopped' });
});

test('where a token is needed and none is given, a room says so', async () => {
  await expect(connect().room('a').joined()).rejects.toMatchObject({ code: 'unauthorized' });
});

test('bytes, and messages in batches', async () => {
  const ann = as('ann').room<unknown>('bytes');
  const heard: unknown[] = [];
  const room = connect({ token: token({ sub: 'bob' }) }).room('bytes');
  room.on('message', (m) => heard.push(m.data));
  await room.joined();
  await ann.joined();
  const sent = Array.from({ length: 40 }, (_, i) => (i % 2 ? { n: i } : new Uint8Array([i, 255 - i])));
  await Promise.all(sent.map((data) => ann.publish(data)));
  await until('all came', () => heard.length === 40);
  expect(heard).toEqual(sent);
});
