// What waits for a gap to be filled is bounded.

import { expect, test } from 'vitest';

import { bench, message, settle } from './fake.js';

test('a room too busy for its gap to be filled goes on without', async () => {
  const { client, socket } = await bench();
  const room = client.room('a');
  const heard: unknown[] = [];
  room.on('message', (m) => heard.push(m.offset));
  room.on('gap', (g) => heard.push(`${g.from}-${g.to}`));
  socket().welcome();
  socket().ok('join', { epoch: 'e', offset: 0 });
  socket().push({ push: 'gap', room: 'a', from: 1, to: 4, reason: 'slow' });
  socket().ok('history', { epoch: 'e', more: true, messages: [message('a', 1), message('a', 2)] });
  await settle();
  for (let n = 5; n < 10_100; n++) socket().push(message('a', n));
  expect(heard.slice(0, 4)).toEqual([1, 2, '3-4', 5]);
  expect(heard).toHaveLength(2 + 1 + 10_095);
  socket().ok('history', { epoch: 'e', messages: [message('a', 3), message('a', 4)] });
  await settle();
  expect(heard).toHaveLength(2 + 1 + 10_095);
});
