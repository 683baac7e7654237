// Mini programs and React Native: the client over fakes of their objects that behave as
// those do, and speak with the real server.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';

import { Barrage, type Options } from '../src/index.js';
import { reactNative } from '../src/reactnative.js';
import type { MiniProgram, SocketTask } from '../src/task.js';
import { uniApp } from '../src/uni.js';
import { wechat } from '../src/wechat.js';
import { Server, until } from './server.js';

let server: Server;
const clients: Barrage[] = [];
beforeAll(async () => {
  server = await Server.start();
});
afterEach(() => clients.splice(0).forEach((c) => c.close()));
afterAll(() => server.stop());

// As wx has it: tasks with callbacks, which refuse to send before they are open and codes
// that pages may not use, and tell of a failed attempt by onError alone.
class FakeWx implements MiniProgram {
  tasks: { ws: WebSocket; kill(): void }[] = [];
  shows = new Set<() => void>();
  networks = new Set<(s: { isConnected: boolean }) => void>();

  constructor(private needsCallback = false) {}

  connectSocket(options: { url: string; protocols: string[]; success?(): void; fail?(e: object): void }): unknown {
    if (this.needsCallback && !options.success && !options.fail) return Promise.resolve();
    const ws = new WebSocket(options.url, options.protocols);
    let opened = false;
    let error: ((e: { errMsg: string }) => void) | undefined;
    ws.on('error', () => opened || error?.({ errMsg: 'connectSocket:fail' }));
    ws.on('open', () => (opened = true));
    const task: SocketTask = {
      send: ({ data }) => {
        if (ws.readyState !== ws.OPEN) throw new Error('sendSocketMessage:fail WebSocket is not connected');
        ws.send(data);
      },
      close: ({ code = 1000 }) => {
        if (code !== 1000 && (code < 3000 || code > 4999)) throw new Error('closeSocket:fail The code must be either 1000, or between 3000 and 4999');
        if (ws.readyState === ws.OPEN) ws.close(code);
        else ws.terminate();
      },
      onOpen: (f) => void ws.on('open', () => f({ header: {} })),
      onMessage: (f) => void ws.on('message', (data, binary) => f({ data: binary ? data : String(data) })),
      onClose: (f) => void ws.on('close', (code, reason) => opened && f({ code, reason: String(reason) })),
      onError: (f) => void (error = f),
    };
    this.tasks.push({ ws, kill: () => ws.terminate() });
    options.success?.();
    return task;
  }

  onAppShow(f: () => void): void {
    this.shows.add(f);
  }
  offAppShow(f: () => void): void {
    this.shows.delete(f);
  }
  onNetworkStatusChange(f: (s: { isConnected: boolean }) => void): void {
    this.networks.add(f);
  }
  offNetworkStatusChange(f: (s: { isConnected: boolean }) => void): void {
    this.networks.delete(f);
  }
}

const connect = (options: Options, url = server.url): Barrage => {
  const client = new Barrage(url, { env: { random: () => Math.random() * 0.01 }, ...options });
  clients.push(client);
  return client;
};

describe.each([['wechat', () => new FakeWx(), wechat], ['uni-app', () => new FakeWx(true), uniApp]] as const)('%s', (_, make, adapter) => {
  test('a session over a cut', async () => {
    const wx = make();
    const client = connect(adapter(wx));
    const room = client.room<number>(`mini-${_}`);
    const heard: number[] = [];
    room.on('message', (m) => heard.push(m.data));
    await room.publish(1);
    wx.tasks[0]!.kill();
    await room.publish(2);
    await until('both came', () => heard.length === 2);
    expect(heard).toEqual([1, 2]);
    client.close();
    expect([wx.shows.size, wx.networks.size]).toEqual([0, 0]);
  });

  test('an attempt that fails, and the app seen again', async () => {
    const wx = make();
    const client = connect({ ...adapter(wx), env: { random: () => 0.999 } }, 'ws://127.0.0.1:1/ws');
    const states: string[] = [];
    client.on('state', (e) => states.push(e.state));
    await until('two attempts failed', () => states.filter((s) => s === 'waiting').length === 2);
    const before = wx.tasks.length;
    await new Promise((r) => setTimeout(r, 1001)); // one attempt a second
    wx.shows.forEach((f) => f());
    await until('it is tried at once', () => wx.tasks.length > before, 900);
  });
});

test('React Native: the app seen again', async () => {
  const listeners = new Set<(s: string) => void>();
  const app = {
    addEventListener: (_: 'change', f: (s: string) => void) => {
      listeners.add(f);
      return { remove: () => listeners.delete(f) };
    },
  };
  const sockets: WebSocket[] = [];
  const client = connect({
    ...reactNative(app),
    connect: (url, protocols) => {
      sockets.push(new WebSocket(url, protocols));
      return sockets.at(-1)! as never;
    },
  });
  const room = client.room('rn');
  await room.joined();
  await new Promise((r) => setTimeout(r, 10));
  // The phone slept, and the socket is dead without a word.
  sockets[0]!.pause();
  listeners.forEach((f) => f('background'));
  listeners.forEach((f) => f('active'));
  await until('there is another socket', () => sockets.length === 2, 9_000);
  await until('it is joined again', () => room.state === 'joined');
  client.close();
  expect(listeners.size).toBe(0);
});
