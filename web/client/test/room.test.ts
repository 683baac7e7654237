// Rooms: membership, order, positions, gaps, and what waits for them.

import { describe, expect, test } from 'vitest';

import type { Gap, Message, OwnMessage, RoomOptions } from '../src/index.js';
import { type Bench, bench, message, settle } from './fake.js';

// A client in room `a`, joined at offset 0, and what its handlers heard.
async function inRoom(options: RoomOptions = {}): Promise<Bench & { room: ReturnType<Bench['client']['room']>; heard: unknown[]; gaps: Gap[]; own: OwnMessage[] }> {
  const b = await bench();
  const room = b.client.room('a', options);
  const heard: unknown[] = [];
  const gaps: Gap[] = [];
  const own: OwnMessage[] = [];
  room.on('message', (m) => heard.push(m.data));
  room.on('gap', (g) => gaps.push(g));
  room.on('own', (o) => own.push({ ...o }));
  b.socket().welcome({ conn: 'me' });
  b.socket().ok('join', { room: 'a', epoch: 'e', offset: 0, users: 0, connections: 1 });
  return { ...b, room, heard, gaps, own };
}

async function again(b: Bench): Promise<void> {
  b.socket().end();
  await b.clock.pass(1000);
  b.socket().welcome({ conn: 'me2' });
}

describe('membership', () => {
  test('joined twice is joined once', async () => {
    const { client, socket } = await bench();
    const one = client.room('é');
    const two = client.room('e\u0301');
    expect(two).toBe(one);
    socket().welcome();
    expect(socket().sent.filter((c) => c.cmd === 'join')).toEqual([{ id: 1, cmd: 'join', room: 'é' }]);
  });

  test('left while offline stays left', async () => {
    const b = await inRoom();
    b.client.room('b');
    b.socket().ok('join', { room: 'b', epoch: 'e', offset: 0 });
    b.socket().end();
    await b.room.leave();
    await b.clock.pass(1000);
    b.socket().welcome();
    expect(b.socket().sent.map((c) => [c.cmd, c['room']])).toEqual([['join', 'b']]);
  });

  test('left while the join is under way', async () => {
    const b = await bench();
    const room = b.client.room('a');
    const joined = room.joined();
    b.socket().welcome();
    const left = room.leave();
    await expect(joined).rejects.toMatchObject({ code: 'left' });
    b.socket().push({ id: b.socket().last('join')!.id, error: { code: 'not_joined', message: '' } });
    b.socket().ok('leave');
    await left;
  });

  test('nothing is heard after leave(), nor by one who joins anew of the stay before', async () => {
    const b = await inRoom();
    b.socket().push(message('a', 1));
    const left = b.room.leave();
    b.socket().push(message('a', 2));
    const heard: unknown[] = [];
    const anew = b.client.room('a');
    anew.on('message', (m) => heard.push(m.data));
    expect(anew).not.toBe(b.room);
    b.socket().push(message('a', 3));
    b.socket().ok('leave');
    await left;
    b.socket().ok('join', { room: 'a', epoch: 'e', offset: 3 });
    b.socket().push(message('a', 3)); // in a batch that the reply overtook
    b.socket().push(message('a', 4));
    expect([b.heard, heard]).toEqual([[1], [4]]);
  });

  test('a handler that leaves in the middle of what was missed hears no more', async () => {
    const b = await inRoom();
    b.room.on('message', (m) => void (m.data === 2 && b.room.leave()));
    await again(b);
    b.socket().ok('join', { room: 'a', epoch: 'e', offset: 3, resumed: true, messages: [message('a', 1), message('a', 2), message('a', 3)] });
    expect(b.heard).toEqual([1, 2]);
  });

  test('a handler that throws stops neither the others nor the client', async () => {
    const b = await inRoom();
    const errors: unknown[] = [];
    const uncaught = (e: unknown): void => void errors.push(e);
    process.prependOnceListener('uncaughtException', uncaught);
    const listeners = process.listeners('uncaughtException').filter((l) => l !== uncaught);
    listeners.forEach((l) => process.off('uncaughtException', l));
    const off = b.room.on('message', () => {
      throw new Error('of the page');
    });
    b.room.on('message', (m) => b.heard.push(`second ${String(m.data)}`));
    b.socket().push(message('a', 1));
    off();
    b.socket().push(message('a', 2));
    await new Promise((r) => setTimeout(r, 5));
    listeners.forEach((l) => process.on('uncaughtException', l));
    expect(errors).toHaveLength(1);
    expect(b.heard).toEqual([1, 'second 1', 2, 'second 2']);
  });

  test('a refusal that passes is tried again, one that does not ends the room', async () => {
    const { clock, client, socket } = await bench();
    const room = client.room('a');
    const left: unknown[] = [];
    room.on('left', (l) => left.push(l.error?.code));
    const joined = room.joined();
    socket().welcome();
    socket().refuse('join', 'unavailable', 700);
    await clock.pass(700);
    expect(socket().sent.filter((c) => c.cmd === 'join')).toHaveLength(2);
    socket().refuse('join', 'banned', 60_000);
    await expect(joined).rejects.toMatchObject({ code: 'banned', retryAfter: 60_000 });
    expect([room.state, left]).toEqual(['left', ['banned']]);
    expect(client.room('a')).not.toBe(room);
  });

  test('taken out by the server', async () => {
    const b = await inRoom();
    const left: unknown[] = [];
    b.room.on('left', (l) => left.push(l));
    b.socket().push({ push: 'left', room: 'a', reason: 'spam' });
    await again(b);
    expect(left).toEqual([{ reason: 'spam' }]);
    expect(b.socket().last('join')).toBeUndefined();
  });
});

describe('positions', () => {
  test('a cut: goes on behind the last message, and nothing comes twice', async () => {
    const b = await inRoom();
    b.socket().push(message('a', 1));
    b.socket().push(message('a', 2));
    await again(b);
    expect(b.socket().last('join')!['since']).toEqual({ epoch: 'e', offset: 2 });
    b.socket().ok('join', { room: 'a', epoch: 'e', offset: 5, resumed: true, messages: [message('a', 3), message('a', 5)] });
    b.socket().push(message('a', 5));
    b.socket().push(message('a', 6));
    expect(b.heard).toEqual([1, 2, 3, 5, 6]);
    expect(b.gaps).toEqual([]);
    expect(b.room.position).toEqual({ epoch: 'e', offset: 6 });
  });

  test('a position from an earlier page', async () => {
    const { client, socket } = await bench();
    client.room('a', { since: { epoch: 'old', offset: 7 }, history: 10 });
    socket().welcome();
    expect(socket().last('join')).toMatchObject({ since: { epoch: 'old', offset: 7 } });
    expect(socket().last('join')).not.toHaveProperty('history');
  });

  test('history at the first join only', async () => {
    const b = await inRoom({ history: 20 });
    expect(b.socket().last('join')!['history']).toBe(20);
    await again(b);
    expect(b.socket().last('join')).not.toHaveProperty('history');
  });

  test('another epoch is a gap, and then its messages', async () => {
    const b = await inRoom();
    b.socket().push(message('a', 1));
    await again(b);
    const gap = { epoch: 'e', from: 2, reason: 'epoch' };
    b.socket().ok('join', { room: 'a', epoch: 'f', offset: 1, gap, messages: [message('a', 1, 'new', { epoch: 'f' })] });
    expect(b.gaps).toEqual([{ room: 'a', ...gap }]);
    expect(b.heard).toEqual([1, 'new']);
    expect(b.room.position).toEqual({ epoch: 'f', offset: 1 });
  });

  test('joined without a position, and with one later: who knows what was missed', async () => {
    const b = await bench();
    const gaps: Gap[] = [];
    b.client.room('a').on('gap', (g) => gaps.push(g));
    b.socket().welcome();
    b.socket().ok('join', { room: 'a', offset: 0 });
    await again(b);
    b.socket().ok('join', { room: 'a', epoch: 'e', offset: 9 });
    expect(gaps).toEqual([{ room: 'a', reason: 'unknown', epoch: 'e', to: 9 }]);
  });

  test('messages that are in no history come, each', async () => {
    const b = await inRoom();
    b.socket().push({ push: 'message', room: 'a', id: 'x', time: 1, data: 'x' });
    b.socket().push({ push: 'batch', batch: [message('a', 1), { push: 'message', room: 'a', id: 'y', time: 1, data: 'y' }] });
    expect(b.heard).toEqual(['x', 1, 'y']);
    expect(b.room.position).toEqual({ epoch: 'e', offset: 1 });
  });
});

describe('gaps', () => {
  test('what was too much for one reply is fetched page by page, and the rest waits for it', async () => {
    const b = await inRoom();
    await again(b);
    b.socket().ok('join', { room: 'a', epoch: 'e', offset: 6, gap: { epoch: 'e', from: 1, to: 4, reason: 'large' }, messages: [message('a', 5), message('a', 6)] });
    b.socket().push(message('a', 7));
    expect(b.heard).toEqual([]);
    expect(b.socket().last('history')).toMatchObject({ room: 'a', since: { epoch: 'e', offset: 0 } });
    b.socket().ok('history', { epoch: 'e', offset: 7, more: true, messages: [message('a', 1), message('a', 2)] });
    await settle();
    b.socket().ok('history', { epoch: 'e', offset: 7, more: true, messages: [message('a', 3), message('a', 4), message('a', 5)] });
    await settle();
    expect(b.heard).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(b.gaps).toEqual([]);
  });

  test('a cut in the middle of fetching: goes on behind what was delivered', async () => {
    const b = await inRoom();
    b.socket().push({ push: 'gap', room: 'a', from: 1, to: 4, count: 4, reason: 'slow' });
    b.socket().push(message('a', 5));
    b.socket().push({ push: 'message', room: 'a', id: 'x', time: 1, data: 'in no history' });
    b.socket().ok('history', { epoch: 'e', offset: 5, more: true, messages: [message('a', 1), message('a', 2)] });
    await settle();
    await again(b);
    expect(b.heard).toEqual([1, 2, 'in no history']);
    expect(b.socket().last('join')!['since']).toEqual({ epoch: 'e', offset: 2 });
    b.socket().ok('join', { room: 'a', epoch: 'e', offset: 5, resumed: true, messages: [3, 4, 5].map((n) => message('a', n)) });
    await settle();
    expect(b.heard).toEqual([1, 2, 'in no history', 3, 4, 5]);
    expect(b.gaps).toEqual([]);
  });

  test('what the history has no more is told, and the position is behind it', async () => {
    const b = await inRoom();
    b.socket().push({ push: 'gap', room: 'a', from: 1, to: 4, reason: 'slow' });
    b.socket().push(message('a', 5));
    b.socket().ok('history', { epoch: 'e', offset: 5, gap: { epoch: 'e', from: 1, to: 3, reason: 'trimmed' }, messages: [message('a', 4), message('a', 5)] });
    await settle();
    expect(b.gaps).toEqual([{ room: 'a', epoch: 'e', from: 1, to: 3, reason: 'trimmed' }]);
    expect(b.heard).toEqual([4, 5]);
  });

  test('what cannot be fetched is told', async () => {
    const b = await inRoom();
    b.socket().push({ push: 'gap', room: 'a', from: 1, to: 4, reason: 'overloaded', epoch: 'e' });
    b.socket().push(message('a', 5));
    b.socket().refuse('history', 'forbidden');
    await settle();
    expect(b.gaps).toMatchObject([{ from: 1, to: 4, reason: 'overloaded' }]);
    expect(b.heard).toEqual([5]);
  });

  test('without `fill` nothing is fetched', async () => {
    const b = await inRoom({ fill: false });
    b.socket().push({ push: 'gap', room: 'a', from: 1, to: 4, count: 4, reason: 'slow' });
    expect(b.gaps).toHaveLength(1);
    expect(b.socket().last('history')).toBeUndefined();
  });

  test('a loader brings what is missing; messages behind wait for it', async () => {
    let found: (m: Message[]) => void = () => {};
    const asked: Gap[] = [];
    const b = await inRoom({
      load: (gap) => {
        asked.push(gap);
        return new Promise((resolve) => (found = resolve));
      },
    });
    b.socket().push({ push: 'gap', room: 'a', epoch: 'e', from: 1, to: 2, reason: 'trimmed' });
    b.socket().push(message('a', 3));
    expect(b.heard).toEqual([]);
    found([{ id: 'l', room: 'a', time: 1, data: 'from elsewhere', own: false, past: true }]);
    await settle();
    expect(b.heard).toEqual(['from elsewhere', 3]);
    expect(asked).toMatchObject([{ from: 1, to: 2, reason: 'trimmed' }]);
    expect(b.gaps).toEqual([]);
  });

  test('a loader that fails leaves a gap, and one that never answers does not hold the room up', async () => {
    const b = await inRoom({ load: (gap) => (gap.from === 1 ? Promise.reject(new Error('no')) : new Promise(() => {})) });
    b.socket().push({ push: 'gap', room: 'a', epoch: 'e', from: 1, to: 2, reason: 'trimmed' });
    await settle();
    b.socket().push({ push: 'gap', room: 'a', epoch: 'e', from: 3, to: 4, reason: 'trimmed' });
    b.socket().push(message('a', 5));
    expect(b.gaps).toHaveLength(1);
    expect(b.heard).toEqual([]);
    for (let i = 0; i < 4; i++) {
      await b.clock.pass(4_500);
      if (b.socket().last('ping')) b.socket().ok('ping');
    }
    expect(b.gaps).toHaveLength(2);
    expect(b.heard).toEqual([5]);
  });

  test('what was delivered is no gap', async () => {
    const b = await inRoom();
    b.socket().push(message('a', 5));
    b.socket().push({ push: 'gap', room: 'a', from: 3, to: 5, reason: 'slow' });
    expect([b.gaps, b.socket().last('history')]).toEqual([[], undefined]);
  });
});

describe('publishing', () => {
  test('queued while offline, in order, with one key over all tries', async () => {
    const b = await inRoom();
    b.socket().end();
    const results = [b.room.publish(1), b.room.publish(2)];
    await b.clock.pass(1000);
    b.socket().welcome();
    expect(b.socket().last('publish')).toBeUndefined(); // the room is not joined yet
    b.socket().ok('join', { room: 'a', epoch: 'e', offset: 0, resumed: true });
    const first = b.socket().last('publish')!;
    expect(first['data']).toBe(1);
    b.socket().end();
    await b.clock.pass(2000);
    b.socket().welcome();
    b.socket().ok('join', { room: 'a', epoch: 'e', offset: 1, resumed: true });
    expect(b.socket().last('publish')!['key']).toBe(first['key']);
    b.socket().ok('publish', { message_id: 'm1', replayed: true });
    expect(b.socket().last('publish')!['data']).toBe(2);
    b.socket().ok('publish', { message_id: 'm2', epoch: 'e', offset: 2 });
    expect(await Promise.all(results)).toEqual([{ message_id: 'm1', replayed: true }, { message_id: 'm2', epoch: 'e', offset: 2 }]);
  });

  test('a refusal that passes holds up those behind it, and no other room', async () => {
    const b = await inRoom();
    void b.room.publish(1);
    void b.room.publish(2);
    const other = b.client.send('ann', 'x');
    b.socket().ok('publish', { message_id: 'x' });
    await other;
    const first = b.socket().sent.find((c) => c['data'] === 1)!;
    b.socket().push({ id: first.id, error: { code: 'rate_limited', message: '', retry_after: 400 } });
    expect(b.socket().sent.filter((c) => c['data'] === 2)).toEqual([]);
    await b.clock.pass(400);
    expect(b.socket().last('publish')).toMatchObject({ data: 1, key: first['key'] });
    b.socket().ok('publish', { message_id: 'm1' });
    expect(b.socket().last('publish')!['data']).toBe(2);
  });

  test('a refusal that does not pass fails', async () => {
    const b = await inRoom();
    const result = b.room.publish(1);
    b.socket().refuse('publish', 'muted');
    await expect(result).rejects.toMatchObject({ code: 'muted' });
  });

  test('the queue is bounded, and the oldest goes first', async () => {
    const b = await bench({ queue: 2 });
    const one = b.client.send('ann', 1);
    void b.client.send('ann', 2);
    void b.client.send('ann', 3);
    await expect(one).rejects.toMatchObject({ code: 'queue_full' });
    expect(b.client.queued).toBe(2);
    b.socket().welcome();
    expect(b.socket().last('publish')!['data']).toBe(2);
  });

  test('a deadline, offline and on the way', async () => {
    const b = await inRoom();
    const one = b.room.publish(1, { deadline: 300 });
    const two = b.room.publish(2, { deadline: 5_000 });
    const failed = expect(one).rejects.toMatchObject({ code: 'timeout' });
    await b.clock.pass(301);
    await failed;
    expect(b.socket().last('publish')!['data']).toBe(2);
    b.socket().end();
    const gone = expect(two).rejects.toMatchObject({ code: 'timeout' });
    await b.clock.pass(5_000);
    await gone;
  });

  test('nothing is sent again after the server may have forgotten its key', async () => {
    const b = await inRoom();
    const one = b.room.publish(1, { deadline: 3_600_000 });
    const gone = expect(one).rejects.toMatchObject({ code: 'timeout' });
    b.socket().end();
    await b.clock.jump(241_000);
    await gone;
  });

  test('what is published is what it was then', async () => {
    const b = await inRoom();
    b.socket().end();
    const data = { n: 1 };
    void b.room.publish(data);
    data.n = 2;
    await b.clock.pass(1000);
    b.socket().welcome();
    b.socket().ok('join', { epoch: 'e', offset: 0, resumed: true });
    expect(b.socket().last('publish')!['data']).toEqual({ n: 1 });
  });

  test.each([[[], ''], [[0], 'AA=='], [[255, 254], '//4='], [[1, 2, 3], 'AQID']])('bytes %j go as %s, and come back', async (bytes, base64) => {
    const b = await inRoom();
    void b.room.publish(new Uint8Array(bytes));
    expect(b.socket().last('publish')).toMatchObject({ base64 });
    b.socket().push({ push: 'message', room: 'a', id: 'i', epoch: 'e', offset: 1, time: 1, base64 });
    expect(b.heard).toEqual([new Uint8Array(bytes)]);
  });
});

describe('the local echo', () => {
  const mine = (offset: number, data: unknown, id = `e-${offset}`, conn = 'me'): object => message('a', offset, data, { id, sender: { conn } });

  test.each(['push first', 'reply first'])('an own message is told once, %s', async (order) => {
    const b = await inRoom({ optimistic: true });
    const published = b.room.publish('hi', { key: 'k' });
    expect(b.own).toMatchObject([{ key: 'k', data: 'hi', state: 'pending' }]);
    const steps = [() => b.socket().push(mine(1, 'hi')), () => b.socket().ok('publish', { message_id: 'e-1', epoch: 'e', offset: 1 })];
    for (const step of order === 'push first' ? steps : steps.reverse()) step();
    b.socket().push(message('a', 2));
    await published;
    expect(b.own.map((o) => o.state)).toEqual(['pending', 'sent']);
    expect(b.heard).toEqual([2]);
  });

  test('also where the reply was lost, and the push came on the connection before', async () => {
    const b = await inRoom({ optimistic: true });
    void b.room.publish('hi');
    b.socket().push(mine(1, 'hi'));
    await again(b);
    b.socket().ok('join', { epoch: 'e', offset: 1, resumed: true });
    b.socket().ok('publish', { message_id: 'e-1', replayed: true });
    expect([b.own.map((o) => o.state), b.heard]).toEqual([['pending', 'sent'], []]);
  });

  test('also where both were lost, and it comes with what was missed', async () => {
    const b = await inRoom({ optimistic: true });
    void b.room.publish('hi');
    await again(b);
    b.socket().ok('join', { epoch: 'e', offset: 2, resumed: true, messages: [mine(1, 'hi'), message('a', 2)] });
    b.socket().ok('publish', { message_id: 'e-1', replayed: true });
    expect([b.own.map((o) => o.state), b.heard]).toEqual([['pending', 'sent'], [2]]);
  });

  test('what another tab sent over the same connection is a message', async () => {
    const b = await inRoom({ optimistic: true });
    b.socket().push(mine(1, 'of a tab'));
    void b.room.publish('hi');
    b.socket().push(mine(2, 'of a tab again'));
    b.socket().ok('publish', { message_id: 'e-3', epoch: 'e', offset: 3 });
    b.socket().push(mine(3, 'hi'));
    expect(b.heard).toEqual(['of a tab', 'of a tab again']);
  });

  test('what was published before the room was left and joined again is a message, in its place', async () => {
    const b = await inRoom({ optimistic: true });
    void b.room.publish('before', { key: '1' });
    void b.room.leave();
    const anew = b.client.room('a', { optimistic: true });
    const heard: unknown[] = [];
    anew.on('message', (m) => heard.push(m.data));
    void anew.publish('behind', { key: '2' });
    b.socket().ok('join', { epoch: 'e', offset: 0 });
    b.socket().push(mine(1, 'before'));
    b.socket().push(message('a', 2));
    b.socket().ok('publish', { message_id: 'e-1', epoch: 'e', offset: 1 });
    expect(heard).toEqual(['before', 2]);
  });

  test('what was published and answered in an earlier stay is a message, in its place, while more is published', async () => {
    const b = await inRoom({ optimistic: true });
    const before = b.room.publish('before');
    b.socket().ok('publish', { message_id: 'e-1', epoch: 'e', offset: 1 });
    await before;
    void b.room.leave();
    const anew = b.client.room('a', { optimistic: true });
    const heard: unknown[] = [];
    anew.on('message', (m) => heard.push(m.data));
    void anew.publish('now');
    b.socket().ok('join', { epoch: 'e', offset: 0 });
    b.socket().push(mine(1, 'before'));
    b.socket().push(message('a', 2));
    expect(heard).toEqual(['before', 2]);
    b.socket().push(mine(3, 'now'));
    b.socket().ok('publish', { message_id: 'e-3', epoch: 'e', offset: 3 });
    expect(heard).toEqual(['before', 2]);
  });

  test('failed; and found to be sent after all', async () => {
    const b = await inRoom({ optimistic: true });
    const one = b.room.publish('one');
    b.socket().refuse('publish', 'muted');
    await expect(one).rejects.toMatchObject({ code: 'muted' });
    const two = b.room.publish('two', { deadline: 100 });
    const gone = expect(two).rejects.toMatchObject({ code: 'timeout' });
    await b.clock.pass(101);
    await gone;
    b.socket().push(mine(1, 'two'));
    expect(b.own.map((o) => [o.data, o.state])).toEqual([['one', 'pending'], ['one', 'failed'], ['two', 'pending'], ['two', 'failed'], ['two', 'sent']]);
    expect(b.heard).toEqual([]);
  });
});

describe('history', () => {
  test('pages backwards until there is nothing older', async () => {
    const b = await inRoom();
    const page = b.room.history({ limit: 2 });
    expect(b.socket().last('history')).not.toHaveProperty('since');
    b.socket().ok('history', { epoch: 'e', offset: 5, messages: [message('a', 4), message('a', 5)] });
    const first = await page;
    expect(first.messages.map((m) => m.data)).toEqual([4, 5]);
    const next = b.room.history({ before: first.before!, limit: 2 });
    expect(b.socket().last('history')).toMatchObject({ since: { epoch: 'e', offset: 1 }, limit: 2 });
    b.socket().ok('history', { epoch: 'e', offset: 5, more: true, messages: [message('a', 2), message('a', 3)] });
    const second = await next;
    expect(second.messages.map((m) => m.data)).toEqual([2, 3]);
    const last = b.room.history({ before: second.before!, limit: 2 });
    b.socket().ok('history', { epoch: 'e', offset: 5, more: true, messages: [message('a', 1), message('a', 2)] });
    expect((await last)).toMatchObject({ messages: [{ data: 1 }] });
    expect((await last).before).toBeUndefined();
  });
});
