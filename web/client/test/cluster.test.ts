// A client, two nodes, and the Redis that they share.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { Barrage, type Room } from '../src/index.js';
import { Listener } from './oracle.js';
import { Proxy } from './proxy.js';
import { Redis } from './redis.js';
import { Server, node, until } from './server.js';

let redis: Redis;
let nodes: Server[] = [];
let proxy: Proxy;
let client: Barrage;
const moves = process.env.CLIENT_FULL ? 1000 : 12;

beforeAll(async () => {
  redis = await Redis.start();
  nodes = await Promise.all([0, 1].map(() => Server.start('--redis', redis.url, '--publish-rate', '100000', '--publish-burst', '100000')));
});
afterEach(() => {
  client.close();
  proxy.close();
});
afterAll(async () => {
  await Promise.all(nodes.map((n) => n.stop()));
  await redis.stop();
});

async function enter(name: string): Promise<{ room: Room<string>; heard: Listener }> {
  proxy = await Proxy.to(nodes[0]!.port);
  client = new Barrage(proxy.url, { ...node, fallback: false, env: { random: () => Math.random() * 0.001 } });
  const room = client.room<string>(name);
  const heard = new Listener(room);
  await room.joined();
  return { room, heard };
}

test('from node to node, over many cuts: nothing is lost, nothing comes twice', async () => {
  const { room, heard } = await enter('nodes');
  const want: string[] = [];
  for (let n = 0; n < 5 * moves; n++) {
    want.push(String(n));
    if (n % 3) await nodes[n % 2]!.publish('nodes', String(n));
    else await room.publish(String(n));
    if (n % 5 < 4) continue;
    proxy.redirect(nodes[((n - 4) / 5) % 2]!.port);
    proxy.cut();
  }
  await until('the last came', () => heard.messages.at(-1)?.data === want.at(-1));
  expect([heard.messages.map((m) => m.data), heard.gaps, heard.faults]).toEqual([want, [], []]);
}, 600_000);

// What is published has a place in Redis again.
async function healthy(): Promise<void> {
  for (const n of nodes) await until('the node reaches Redis', async () => (await n.publish('probe', 'x').catch(() => ({ local_only: true }))).local_only !== true);
}

test.each([
  ['flushed', () => redis.command('FLUSHALL'), false],
  ['flushed-away', () => redis.command('FLUSHALL'), true],
  ['restarted', () => redis.stop().then(() => redis.run()), false],
  ['restarted-away', () => redis.stop().then(() => redis.run()), true],
])('Redis forgets: %s', async (name, forget, away) => {
  const { room, heard } = await enter(name);
  const all: { id: string; epoch?: string; offset?: number }[] = [];
  const speak = async (text: string): Promise<void> => {
    all.push(await nodes[all.length % 2]!.publish(name, text));
    const { message_id: id, ...at } = await room.publish('own ' + text);
    all.push({ id, ...at });
  };
  await speak('before');
  await until('it came', () => heard.messages.length === 2);
  if (away) proxy.redirect(nodes[1]!.port);
  await forget();
  if (away) proxy.cut();
  await healthy();
  await speak('after');
  await speak('last');
  await until('the last came', () => heard.messages.some((m) => m.data === 'own last'));
  expect(heard.verdict(all.filter((m) => m.offset))).toBe('');
  expect(heard.gaps).toEqual([{ room: name, reason: 'epoch', epoch: all[0]!.epoch, from: 3 }]);
});
