// Several clients on one connection, without a browser: see sharedworker.test.ts for one.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { Barrage, type Options, type Presence, type Room } from '../src/index.js';
import { Lines } from './lines.js';
import { Listener } from './oracle.js';
import { secret, Server, token, until } from './server.js';
import { Storm } from './storm.js';

let server: Server;
const clients: Barrage[] = [];
// Tabs of one browser, that say how many connections there are.
function browser(): (options?: Options) => Barrage {
  const lines = new Lines();
  return (options = {}) => {
    const client = new Barrage(server.url, { connect: lines.connect, fallback: false, env: { random: () => Math.random() * 0.001 }, ...options });
    clients.push(client);
    return client;
  };
}
const connections = async (): Promise<number> => Number(/^barrage_connections (\d+)/m.exec(await (await server.order('GET', '/metrics')).text())![1]);
const hear = (room: Room<unknown>): unknown[] => {
  const heard: unknown[] = [];
  room.on('message', (m) => heard.push(m.data));
  room.on('gap', (g) => heard.push(g));
  return heard;
};

beforeAll(async () => {
  server = await Server.start('--auth-secret', secret, '--anonymous', '--publish-rate', '100000', '--publish-burst', '100000', '--publish-bytes', '0', '--history', '*=1000/10m');
});
afterEach(() => clients.splice(0).forEach((c) => c.close()));
afterAll(() => server.stop());

test('two tabs are one connection, each with its rooms', async () => {
  const open = browser();
  const before = await connections();
  const [ann, bob] = [open(), open()];
  const [a, b] = [ann.room('both'), bob.room('both')];
  const alone = bob.room('alone');
  await Promise.all([a.joined(), b.joined(), alone.joined()]);
  expect(await connections()).toBe(before + 1);
  const [atA, atB] = [hear(a), hear(b)];
  await a.publish('one');
  await until('both heard it', () => atA.length === 1 && atB.length === 1);
  await a.leave();
  await b.publish('two');
  await server.publish('both', 'three');
  await until('the other one still hears', () => atB.length === 3);
  expect([atA, atB]).toEqual([['one'], ['one', 'two', 'three']]);
  // Who comes later has the history, and goes on behind a position.
  const late = open().room('both', { history: 2 });
  const behind = open().room('both', { since: { epoch: b.position!.epoch, offset: 1 } });
  const [atLate, atBehind] = [hear(late), hear(behind)];
  await Promise.all([late.joined(), behind.joined()]);
  await server.publish('both', 'four');
  await until('all heard it', () => atB.length === 4 && atLate.length === 3 && atBehind.length === 3);
  expect([atLate, atBehind, late.connections]).toEqual([['two', 'three', 'four'], ['two', 'three', 'four'], 1]);
  expect(await connections()).toBe(before + 1);
});

test('more than a page of history is behind the position of one who comes later', async () => {
  const open = browser();
  const first = open().room('long');
  await first.joined();
  const epoch = first.position!.epoch;
  for (let n = 0; n < 700; n += 50) await Promise.all(Array.from({ length: 50 }, () => server.publish('long', 'x')));
  const behind = open().room('long', { since: { epoch, offset: 0 } });
  const heard = new Listener(behind);
  await until('all came', () => heard.messages.length >= 700);
  expect([heard.messages.map((m) => m.offset), heard.gaps]).toEqual([Array.from({ length: 700 }, (_, n) => n + 1), []]);
});

test('a tab that is closed in the middle of a publish', async () => {
  const open = browser();
  const [ann, bob] = [open(), open()];
  const heard = hear(bob.room('closing'));
  const room = ann.room('closing');
  await Promise.all([room.joined(), bob.room('closing').joined()]);
  const lost = room.publish('last words');
  await new Promise((r) => setImmediate(r)); // it is on its way
  ann.close();
  await expect(lost).rejects.toMatchObject({ code: 'closed' });
  await until('it was said', () => heard.length);
  await bob.room('closing').publish('still here');
  await until('the other one goes on', () => heard.length === 2);
  expect(heard).toEqual(['last words', 'still here']);
});

test('one wants to know who is there, and the others need not', async () => {
  const open = browser();
  const quiet = open({ token: token({ sub: 'ann' }) }).room('who');
  const heardQuiet = hear(quiet);
  const told: Presence[] = [];
  quiet.on('presence', (p) => told.push(p));
  await quiet.joined();
  await server.publish('who', 'one');
  const curious = open({ token: token({ sub: 'ann' }) }).room('who', { presence: true });
  const seen: Presence[] = [];
  curious.on('presence', (p) => seen.push(p));
  await curious.joined();
  await server.publish('who', 'two');
  const bob = browser()({ token: token({ sub: 'bob' }) });
  await bob.room('who').joined();
  await until('bob was seen', () => seen.some((p) => p.join?.user === 'bob'));
  await until('nothing was lost', () => heardQuiet.length === 2);
  expect([heardQuiet, told]).toEqual([['one', 'two'], []]);
});

test('direct messages come to all tabs, and are acknowledged', async () => {
  const open = browser();
  const bob = browser()({ token: token({ sub: 'bo' }) });
  const ann = token({ sub: 'an' });
  const heard: string[] = [];
  for (const name of ['first', 'second']) {
    const tab = open({ token: ann });
    tab.on('direct', (m) => heard.push(`${name} ${String(m.data)}`));
    await tab.room('hall').joined();
  }
  await bob.send('an', 'hi');
  await until('both heard it', () => heard.length === 2);
  expect(heard.sort()).toEqual(['first hi', 'second hi']);
});

test.each([1, 2, 3])('random things happen to one of two, seed %d', async (seed) => {
  const lines = new Lines();
  const storm = await Storm.on(server, seed + 100, lines.connect);
  const other = new Barrage(storm.url, { connect: lines.connect, fallback: false, heartbeat: 250, env: { random: () => Math.random() * 0.001 } });
  clients.push(other);
  const rooms = ['x', 'y'].map((n) => other.room<string>(`${n}-${seed + 100}`));
  const heard = rooms.map((r) => new Listener(r));
  await Promise.all(rooms.map((r) => r.joined()));
  await storm.rage(30);
  await storm.settle();
  for (const [at, room] of rooms.entries()) {
    await until('it is joined again', () => room.state === 'joined');
    await server.publish(room.name, 'end');
    await until('the end came', () => heard[at]!.messages.some((m) => m.data === 'end'));
    const { messages } = await room.history({ limit: 1000 });
    expect([heard[at]!.verdict(messages), heard[at]!.gaps]).toEqual(['', []]);
  }
  expect(storm.end().faults).toEqual([]);
});
