// What the server serves: a page that loads /client.js needs nothing else.

import { runInNewContext } from 'node:vm';

import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';

import type { Barrage } from '../src/index.js';
import { Server, until } from './server.js';

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${server.port}${path}`);

test('the plain script is a client by itself', async () => {
  const response = await get('/client.js');
  const named = response.headers.get('content-location')!;
  const text = await response.text();
  expect(await (await get(named)).text()).toBe(text);
  const page: Record<string, unknown> = { WebSocket, setTimeout, clearTimeout, URL, fetch, location: { origin: `http://127.0.0.1:${server.port}` } };
  page['globalThis'] = page;
  const client = runInNewContext(`${text}; new barrage.Barrage('/ws')`, page) as Barrage;
  const heard: unknown[] = [];
  const room = client.room('plain');
  room.on('message', (m) => heard.push(m.data));
  await room.publish({ colour: 'red' });
  await until('it came back', () => heard.length);
  expect(JSON.stringify(heard)).toBe('[{"colour":"red"}]');
  client.close();
});

test('the module exports the same', async () => {
  const text = await (await get('/client.mjs')).text();
  const module = (await import(/* @vite-ignore */ 'data:text/javascript;base64,' + Buffer.from(text).toString('base64'))) as object;
  expect(Object.keys(module).sort()).toEqual(['Barrage', 'BarrageError']);
});
