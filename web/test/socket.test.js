// When the page reconnects, how long it waits, and how much it sends: with a
// WebSocket that the test plays, and a clock that it turns.

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { backoffMs } from '../page/backoff.js';
import { Limiter } from '../page/limiter.js';
import { Connection } from '../page/socket.js';

class FakeSocket {
  static opened = [];
  bufferedAmount = 0;
  sent = [];
  closed = false;
  constructor(url) {
    this.url = url;
    FakeSocket.opened.push(this);
  }
  send(text) {
    this.sent.push(text);
  }
  close() {
    this.closed = true;
  }
}

let states, texts, connection;
const sockets = FakeSocket.opened;
const latest = () => sockets.at(-1);
const state = () => states.at(-1);

beforeEach(() => {
  mock.restoreAll();
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  mock.method(Math, 'random', () => 0.5);
  globalThis.WebSocket = FakeSocket;
  sockets.length = 0;
  [states, texts] = [[], []];
  connection = new Connection({ url: 'ws://x/ws', onState: (s) => states.push(s), onText: (s) => texts.push(s) });
  connection.start();
});

test('backoff doubles up to its cap, with full jitter from the first wait on', () => {
  const most = [0, 1, 2, 3, 4, 5, 6, 60].map((attempt) => backoffMs(attempt, () => 1));
  assert.deepEqual(most, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  assert.equal(backoffMs(0, () => 0), 0);
  assert.equal(backoffMs(3, () => 0.25), 2000);
});

test('limiter stays under 10 a second and a burst of 20', () => {
  const limiter = new Limiter(0);
  const taken = (now, tries) => Array.from({ length: tries }, () => limiter.take(now)).filter(Boolean).length;
  assert.equal(taken(0, 100), 16);
  assert.equal(taken(1000, 100), 8);
  assert.equal(taken(500, 1), 0, 'a clock that goes back gives nothing');
  assert.equal(taken(3_600_000, 100), 16);
});

test('text is handed on, binary is not', () => {
  latest().onopen();
  latest().onmessage({ data: 'hi' });
  latest().onmessage({ data: new ArrayBuffer(2) });
  assert.deepEqual(texts, ['hi']);
});

test('sends only while open, and not into a full buffer', () => {
  assert.equal(connection.send('early'), false);
  latest().onopen();
  assert.equal(connection.send('now'), true);
  latest().bufferedAmount = 1 << 20;
  assert.equal(connection.send('stuck'), false);
  assert.deepEqual(latest().sent, ['now']);
});

test('a lost connection comes back after a wait, each wait longer', () => {
  for (const wait of [500, 1000, 2000]) {
    latest().onclose({ code: 1006, reason: '' });
    assert.deepEqual(state(), { name: 'waiting', retryAt: Date.now() + wait });
    mock.timers.tick(wait - 1);
    assert.equal(state().name, 'waiting');
    mock.timers.tick(1);
    assert.equal(state().name, 'connecting');
  }
  assert.equal(sockets.length, 4);
});

test('only a connection that lasted resets the wait', () => {
  for (const [lasted, wait] of [[0, 500], [0, 1000], [10_000, 500]]) {
    latest().onopen();
    mock.timers.tick(lasted);
    latest().onclose({ code: 1001, reason: '' });
    assert.equal(state().retryAt - Date.now(), wait);
    mock.timers.tick(wait);
  }
});

test('an attempt that hangs is given up', () => {
  const hung = latest();
  mock.timers.tick(15_000);
  assert.equal(state().name, 'waiting');
  assert.ok(hung.closed);
  assert.equal(hung.onopen, null, 'and cannot come back later');
});

test('codes that say stay away', async (t) => {
  for (const code of [1002, 1007, 1008, 1009, 4200, 4203, 4999]) {
    await t.test(String(code), () => {
      connection.start();
      latest().onopen();
      latest().onclose({ code, reason: 'banned' });
      assert.deepEqual(state(), { name: 'stopped', reason: 'banned' });
      const before = sockets.length;
      connection.retryNow();
      connection.renew();
      mock.timers.tick(100_000);
      assert.equal(sockets.length, before);
      connection.start();
      assert.equal(sockets.length, before + 1);
    });
  }
});

test('codes that do not', async (t) => {
  for (const code of [1000, 1001, 1006, 1011, 1012, 1013, 3000, 4000, 4101, 4199]) {
    await t.test(String(code), () => {
      latest().onclose({ code, reason: '' });
      assert.equal(state().name, 'waiting');
      connection.retryNow();
    });
  }
});

test('retryNow ends a wait and nothing else', () => {
  connection.retryNow();
  assert.equal(sockets.length, 1);
  latest().onclose({ code: 1006, reason: '' });
  connection.retryNow();
  assert.equal(sockets.length, 2);
  mock.timers.tick(5_000);
  assert.equal(sockets.length, 2, 'the old wait is over');
});

test('renew replaces a connection that looks open', () => {
  const old = latest();
  old.onopen();
  connection.renew();
  assert.ok(old.closed);
  assert.equal(sockets.length, 2);
});

test('stop is silent and final', () => {
  const socket = latest();
  socket.onopen();
  const before = states.length;
  connection.stop();
  assert.ok(socket.closed);
  mock.timers.tick(100_000);
  assert.equal(states.length, before);
  assert.equal(sockets.length, 1);
});
