// When the link comes back, and when it does not.

import { afterEach, describe, expect, test, vi } from 'vitest';

import { watchPage } from '../src/env.js';
import { bench, message, settle } from './fake.js';

describe('after a cut', () => {
  test('the wait is random from nothing up to a bound that doubles, the first one too', async () => {
    const { clock, sockets, socket } = await bench();
    for (const [chance, most] of [[0.999, 1000], [0.5, 2000], [0.001, 4000], [0.5, 8000], [0.5, 16000], [0.5, 30000], [0.5, 30000]] as const) {
      clock.chance = chance;
      const before = sockets.length;
      socket().end();
      await clock.pass(chance * most - 1);
      expect(sockets.length).toBe(before);
      await clock.pass(2);
      expect(sockets.length).toBe(before + 1);
    }
  });

  test('the bound begins anew only after a connection that lasted', async () => {
    const { clock, sockets, socket } = await bench();
    const wait = async (): Promise<number> => {
      const before = sockets.length;
      let ms = 0;
      for (; sockets.length === before; ms += 10) await clock.pass(10);
      return ms;
    };
    socket().end();
    expect(await wait()).toBe(500);
    socket().welcome();
    socket().end();
    expect(await wait()).toBe(1000);
    socket().welcome();
    await clock.pass(5000);
    socket().end();
    expect(await wait()).toBe(500);
  });

  test('bye.wait is obeyed, also by who is woken meanwhile', async () => {
    const { clock, client, sockets, socket } = await bench();
    socket().welcome();
    socket().push({ push: 'bye', code: 1001, reason: 'server is stopping', reconnect: true, wait: 3210 });
    socket().end(1001);
    (client as unknown as { _link: { wake(): void } })._link.wake();
    await clock.pass(3205);
    expect(sockets.length).toBe(1);
    await clock.pass(10);
    expect(sockets.length).toBe(2);
  });

  test('an attempt without an answer is given up', async () => {
    const { clock, sockets } = await bench();
    clock.chance = 0;
    await clock.pass(10_001);
    expect(sockets.length).toBe(2);
    expect(sockets[0]!.closed).toBe(true);
  });
});

test.each([0, 0.5, 0.999])('a token is renewed on the connection before it ends, by chance %d', async (chance) => {
  let made = 0;
  const { clock, socket, sockets, states } = await bench({ heartbeat: 0, token: () => `token-${++made}` });
  clock.chance = chance;
  socket().welcome({ user: 'ann', expires: 1_700_000_000_000 + 60_000 });
  await clock.pass(45_000 + chance * 9_000 - 10);
  expect(made).toBe(1);
  await clock.pass(20);
  expect(socket().last('auth')).toMatchObject({ token: 'token-2' });
  socket().ok('auth', { user: 'ann', expires: 1_700_000_000_000 + 120_000 });
  await clock.pass(30_000);
  expect(made).toBe(2);
  expect([sockets.length, states.at(-1)]).toEqual([1, 'open']);
});

describe('close codes', () => {
  test.each([1002, 1007, 1008, 1009, 4200, 4201, 4202, 4203, 4299, 4999])('%d: stops', async (code) => {
    const { clock, sockets, client, states, socket } = await bench();
    const waits = client.room('a').joined();
    const failed = client.command({ cmd: 'last_seen' });
    socket().welcome();
    socket().end(code, 'because');
    await clock.pass(100_000);
    expect(sockets.length).toBe(1);
    expect(states.at(-1)).toBe('stopped');
    await expect(failed).rejects.toMatchObject({ code: 'disconnected' });
    client.reconnect();
    await settle();
    expect(sockets.length).toBe(2);
    waits.catch(() => {});
  });

  test.each([1000, 1001, 1006, 1011, 1013, 4000, 4099, 4100, 4103, 4108, 4199])('%d: comes back', async (code) => {
    const { clock, sockets, socket } = await bench();
    socket().welcome();
    socket().end(code);
    await clock.pass(1000);
    expect(sockets.length).toBe(2);
  });

  test('what bye says goes before what the code says', async () => {
    const { clock, sockets, states, socket } = await bench();
    socket().push({ push: 'bye', code: 4108, reason: 'x', reconnect: false });
    socket().end(4108);
    await clock.pass(60_000);
    expect([sockets.length, states.at(-1)]).toEqual([1, 'stopped']);
  });

  test('1007 turns compression off', async () => {
    const { client, socket } = await bench();
    socket().welcome();
    expect(socket().url).toBe('ws://test/ws?batch=1');
    socket().end(1007, 'context takeover');
    client.reconnect();
    await settle();
    expect(socket().url).toBe('ws://test/ws?batch=1&compress=0');
  });
});

describe('the heartbeat', () => {
  test('a dead socket is noticed within 10 s', async () => {
    const { clock, sockets, socket, states } = await bench();
    socket().welcome();
    await clock.pass(8_300);
    expect(states).not.toContain('waiting');
    await clock.pass(700);
    expect(states).toContain('waiting');
    expect(sockets[0]!.closed).toBe(true);
  });

  test('a live one is not, and is asked nothing while the room is busy', async () => {
    const { clock, socket, states } = await bench();
    socket().welcome();
    for (let i = 0; i < 30; i++) {
      await clock.pass(1000);
      socket().push({ push: 'message', room: 'a' });
    }
    expect(socket().last('ping')).toBeUndefined();
    for (let i = 0; i < 60; i++) {
      await clock.pass(1000);
      const ping = socket().sent.filter((c) => c.cmd === 'ping').pop();
      if (ping) socket().push({ id: ping.id, ok: {} });
    }
    expect(states.at(-1)).toBe('open');
  });

  test('timers that come a minute late prove nothing', async () => {
    const { clock, socket, states } = await bench();
    socket().welcome();
    for (let i = 0; i < 10; i++) {
      await clock.jump(60_000); // a throttled tab, in which answers wait behind the timer
      for (const c of socket().sent.splice(0)) if (c.cmd === 'ping') socket().push({ id: c.id, ok: {} });
    }
    expect(states).not.toContain('waiting');
    await clock.pass(9_000);
    expect(states).toContain('waiting');
  });

  test('a clock that goes back proves nothing either', async () => {
    const { clock, socket, states } = await bench();
    socket().welcome();
    await clock.pass(4_200);
    socket().ok('ping');
    await clock.jump(-1_000_000);
    await clock.pass(1_005_000);
    socket().ok('ping');
    expect(states.at(-1)).toBe('open');
  });
});

// A page with a document, as far as the client listens to them.
function fakePage(): { page: EventTarget; doc: EventTarget & { visibilityState: string }; restore(): void } {
  const page = new EventTarget();
  const doc = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
  vi.stubGlobal('document', doc);
  return { page, doc, restore: () => vi.unstubAllGlobals() };
}

describe('a page', () => {
  afterEach(() => vi.unstubAllGlobals());

  test.each(['online', 'pageshow'])('%s ends a wait', async (type) => {
    const { page } = fakePage();
    const { clock, sockets, socket } = await bench();
    clock.chance = 0.99;
    socket().end();
    await clock.pass(500);
    page.dispatchEvent(new Event(type));
    await clock.pass(500); // at most one try a second
    expect(sockets.length).toBe(2);
  });

  test('visibilitychange ends a wait when the page is seen, not when it is hidden', async () => {
    const { doc } = fakePage();
    const { clock, sockets, socket } = await bench();
    clock.chance = 0.99;
    socket().end();
    await clock.pass(985);
    socket().end();
    await clock.pass(985);
    socket().end();
    await clock.pass(1500);
    const before = sockets.length;
    doc.visibilityState = 'hidden';
    doc.dispatchEvent(new Event('visibilitychange'));
    await settle();
    expect(sockets.length).toBe(before);
    doc.visibilityState = 'visible';
    doc.dispatchEvent(new Event('visibilitychange'));
    await settle();
    expect(sockets.length).toBe(before + 1);
  });

  test('seen again after a sleep, a dead socket is noticed at once', async () => {
    const { doc } = fakePage();
    const { clock, socket, states } = await bench();
    socket().welcome();
    await clock.jump(60 * 60_000);
    doc.dispatchEvent(new Event('visibilitychange'));
    await clock.pass(2_500);
    expect(states.at(-1)).toBe('waiting');
  });

  test('freeze gives the socket up, resume comes back at once', async () => {
    const { doc } = fakePage();
    const { clock, sockets, socket, states } = await bench();
    socket().welcome();
    await clock.pass(2_000);
    doc.dispatchEvent(new Event('freeze'));
    expect([states.at(-1), sockets[0]!.closed]).toEqual(['asleep', true]);
    await clock.jump(30_000);
    doc.dispatchEvent(new Event('resume'));
    await settle();
    expect(sockets.length).toBe(2);
  });

  test('put into the back/forward cache and shown again; and a page that was not frozen after all', async () => {
    const { page } = fakePage();
    const { clock, sockets, socket } = await bench();
    socket().welcome();
    page.dispatchEvent(new Event('pagehide'));
    expect(sockets[0]!.closed).toBe(true);
    await clock.pass(1_500);
    page.dispatchEvent(new Event('pageshow'));
    await settle();
    expect(sockets.length).toBe(2);
    page.dispatchEvent(new Event('pagehide'));
    await clock.pass(5_000);
    expect(sockets.length).toBe(3);
  });

  test('offline asks whether the socket lives', async () => {
    const { page } = fakePage();
    const { clock, socket, states } = await bench();
    socket().welcome();
    page.dispatchEvent(new Event('offline'));
    socket().ok('ping');
    await clock.pass(2_500);
    expect(states.at(-1)).toBe('open');
    page.dispatchEvent(new Event('offline'));
    await clock.pass(2_600);
    expect(states.at(-1)).toBe('waiting');
  });

  test('after close() nothing wakes it, and nothing is left', async () => {
    const { page, doc } = fakePage();
    const { clock, client, sockets, socket, states } = await bench();
    socket().welcome();
    client.room('a');
    client.close();
    for (const type of ['online', 'pageshow', 'pagehide', 'offline']) page.dispatchEvent(new Event(type));
    for (const type of ['visibilitychange', 'freeze', 'resume']) doc.dispatchEvent(new Event(type));
    client.reconnect();
    await clock.pass(100_000);
    expect([sockets.length, states.at(-1), clock.running]).toEqual([1, 'closed', 0]);
    await expect(client.room('b').joined()).rejects.toMatchObject({ code: 'left' });
    await expect(client.send('ann', 1)).rejects.toMatchObject({ code: 'closed' });
    await expect(client.lastSeen('ann')).rejects.toMatchObject({ code: 'closed' });
  });

  test('listeners are taken away', () => {
    const { page } = fakePage();
    let woken = 0;
    const end = watchPage({ wake: () => woken++, sleep() {}, offline() {} });
    page.dispatchEvent(new Event('online'));
    end();
    page.dispatchEvent(new Event('online'));
    expect(woken).toBe(1);
  });
});

test('an old socket is not heard once there is a new one', async () => {
  const { clock, client, sockets, socket } = await bench();
  const heard: unknown[] = [];
  const room = client.room('a');
  room.on('message', (m) => heard.push(m.data));
  socket().welcome();
  socket().ok('join', { room: 'a', epoch: 'e', offset: 0 });
  const old = socket();
  const tell = old.onmessage!;
  old.end();
  await clock.pass(1000);
  expect(sockets.length).toBe(2);
  tell({ data: JSON.stringify(message('a', 1)) });
  old.push(message('a', 2));
  old.end();
  expect(heard).toEqual([]);
  expect(client.state).toBe('connecting');
});
