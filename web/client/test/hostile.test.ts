// The client against a hostile network, and the real server behind it.

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Barrage } from '../src/index.js';
import { Listener } from './oracle.js';
import { type Fate, Proxy } from './proxy.js';
import { Server, node, until } from './server.js';
import { Storm } from './storm.js';

let server: Server;
const full = Boolean(process.env.CLIENT_FULL);
// Short waits: what is tested is what happens, not when.
const hasty = { random: () => Math.random() * 0.001 };

beforeAll(async () => {
  server = await Server.start('--publish-rate', '100000', '--publish-burst', '100000', '--publish-bytes', '0', '--history', '*=1000/10m');
});
afterAll(() => server.stop());

// The session that is cut: a room joined, two messages published by the client and two by
// another, all of them heard. It returns how many bytes went each way.
async function session(name: string, fate: Fate): Promise<{ down: number; up: number }> {
  const proxy = await Proxy.to(server.port);
  proxy.fates = [fate];
  const client = new Barrage(proxy.url, { ...node, fallback: false, env: hasty });
  try {
    const room = client.room<string>(name, { history: 10 });
    const heard = new Listener(room);
    const [own] = await Promise.all([Promise.all([room.publish('1'), room.publish('2')]), server.publish(name, 'a').then(() => server.publish(name, 'b'))]);
    await until('all was heard', () => heard.messages.length >= 4);
    const { messages } = await room.history({ limit: 10 });
    expect([fate, heard.verdict(messages), messages.length]).toEqual([fate, '', 4]);
    expect(own[0]!.offset!).toBeLessThan(own[1]!.offset!);
    return proxy;
  } finally {
    client.close();
    proxy.close();
  }
}

test('a session cut at every byte, in both directions', async () => {
  const whole = await session('whole', {});
  expect(whole.down).toBeGreaterThan(800);
  // All of them take half a minute: make client-hostile.
  const stride = full ? 1 : 7;
  const fates: [string, Fate][] = [];
  for (const way of ['down', 'up'] as const) {
    // Within the handshake's head some places do, behind it each byte is one.
    for (let at = 1; at < whole[way]; at += at < 120 ? 17 : stride) fates.push([`${way}-${at}`, { [way]: at, ...(at % 3 ? {} : { late: 3 }) }]);
  }
  expect(fates.length).toBeGreaterThan(900 / stride);
  const one = async (): Promise<void> => {
    for (let next; (next = fates.pop()); ) await session(...next);
  };
  await Promise.all(Array.from({ length: 16 }, one));
}, 120_000);

test.each([1, 2, 3, 4])('random things happen, seed %d', async (seed) => {
  const storm = await Storm.on(server, seed);
  await storm.rage(30);
  await storm.settle();
  const { faults, heard } = storm.end();
  expect(faults).toEqual([]);
  expect(heard).toBeGreaterThan(5);
});

// Ten storms of a thousand reconnects each. What is kept after the second is kept after the
// tenth: the client holds nothing of what is over.
test.runIf(full)('10,000 reconnects', async () => {
  const storm = await Storm.on(server, Number(process.env.SEED ?? 10_000));
  const heap: number[] = [];
  while (storm.connections < 10_000) {
    for (let i = 0; i < 10; i++) {
      await storm.rage(100);
      await storm.settle();
    }
    globalThis.gc!();
    heap.push(Math.round(process.memoryUsage().heapUsed / 1024));
  }
  const outcome = storm.end();
  console.log(outcome, `heap in KiB after each thousand: ${heap.join(' ')}`);
  expect(outcome.faults).toEqual([]);
  expect(heap.at(-1)!).toBeLessThan(heap[1]! * 1.1);
}, 3_600_000);
