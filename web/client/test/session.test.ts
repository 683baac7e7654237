// A client and the real server: joining, publishing, and coming back.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { Barrage, type Message, type Options } from '../src/index.js';
import { Server, node, until } from './server.js';

let server: Server;
const clients: Barrage[] = [];
const connect = (options: Options = {}): Barrage => {
  const client = new Barrage(server.url, { ...node, ...options });
  clients.push(client);
  return client;
};

beforeAll(async () => {
  server = await Server.start();
});
afterEach(() => clients.splice(0).forEach((c) => c.close()));
afterAll(() => server.stop());

test('a room joined before there is a connection takes and gives messages', async () => {
  const ann = connect();
  const room = ann.room<string>('lobby');
  const heard: Message<string>[] = [];
  room.on('message', (m) => heard.push(m));
  const published = await room.publish('hello');
  await until('it came back', () => heard.length);
  expect(heard[0]).toMatchObject({ id: published.message_id, room: 'lobby', data: 'hello', own: true, past: false, offset: 1 });
  expect(room.state).toBe('joined');
});

test('what was said while the connection was gone comes, in order and once', async () => {
  const sockets: { terminate(): void }[] = [];
  const ann = connect({
    env: { random: () => 0.01 },
    connect: (url, protocols) => {
      const socket = node.connect!(url, protocols);
      sockets.push(socket as never);
      return socket;
    },
  });
  const room = ann.room<string>('resume');
  const heard: string[] = [];
  room.on('message', (m) => heard.push(m.data));
  await room.joined();
  await server.publish('resume', 'a');
  await until('a came', () => heard.length === 1);
  sockets.at(-1)!.terminate();
  await server.publish('resume', 'b');
  await server.publish('resume', 'c');
  await until('the room is joined again', () => room.state === 'joined' && sockets.length > 1);
  await server.publish('resume', 'd');
  await until('d came', () => heard.includes('d'));
  expect(heard).toEqual(['a', 'b', 'c', 'd']);
});
