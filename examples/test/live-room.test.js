// The live room (S1, S2, S13, S17): real browser, server and Redis.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Example, quiet, Raw, until } from './harness.js';

let room;

before(async () => {
  room = await Example.start('live-room', '-every', '2s');
});
after(() => room?.stop());

const open = async (t, options) => connected(await room.open(t, '/', options));

async function connected(page) {
  await page.waitForSelector('#state[data-state="open"]');
  return page;
}

async function enter(page, name, avatar) {
  await page.fill('#name', name);
  await page.selectOption('#avatar', avatar);
  await page.click('#login button');
  await connected(page);
  await page.waitForSelector(`#me:text-is("${name}")`);
  return page;
}

async function say(page, text) {
  await page.fill('#text', text);
  await page.click('#composer button.main');
}

const sees = (page, text, who = '') => page.waitForSelector(`#lines li:has-text("${text}")${who && `:has(.who:text-is("${who}"))`}`);
const count = (page, text) => page.locator(`#lines li:has-text("${text}")`).count();

test('a room with an anchor and viewers', async (t) => {
  const anchor = await enter(await open(t), 'Anchor', 'owl');
  const viewer = await open(t);

  await t.test('S1: any client\'s message is pushed to all', async () => {
    await say(viewer, 'first!');
    await sees(anchor, 'first!');
    await say(anchor, 'welcome');
    await sees(viewer, 'welcome', 'Anchor');
  });
  await t.test('S1: anonymous name', () => sees(anchor, 'first!', '匿名'));
  await t.test('S1: RECEIVED echo', () => viewer.waitForSelector('#received:text-matches("^RECEIVED: first! \\\\(no\\\\. \\\\d+\\\\)$")'));
  await t.test('S1: passive trigger by timer', () => Promise.all([anchor, viewer].map((p) => sees(p, 'On air for'))));
  await t.test('S1: passive trigger by status check', () => Promise.all([anchor, viewer].map((p) => sees(p, 'more than ever'))));
  await t.test('S1: passive trigger by Redis event', async () => {
    await room.redisCli('PUBLISH', 'room:live:1', 'from Redis');
    await Promise.all([anchor, viewer].map((p) => sees(p, 'from Redis')));
  });
  await t.test('S2: publish returns the receiver count, one for the node', async () => {
    const third = await open(t);
    assert.equal(await room.sh('publish.sh', 'PHP says hi'), '1');
    await Promise.all([anchor, viewer, third].map((p) => sees(p, 'PHP says hi')));
    await third.context().close();
  });
  await t.test('S17: the sender receives their own copy, everyone else the message', async () => {
    await say(anchor, 'mine alone');
    await sees(viewer, 'mine alone', 'Anchor');
    await anchor.waitForSelector('#lines li.own:has-text("mine alone"):has(.mark:text-is("✓"))');
    assert.equal(await count(anchor, 'mine alone'), 1);
    assert.equal(await viewer.locator('#lines li.own:has-text("mine alone")').count(), 0);
  });
  await t.test('S17: defect: a message is encoded once, not for each viewer', async () => {
    const bytes = (page) => page.frames.filter((f) => f.includes('"mine alone"') && f.startsWith('{"push":"message"'));
    await until('both have it', () => bytes(anchor).length && bytes(viewer).length);
    assert.deepEqual(bytes(anchor), bytes(viewer));
  });
  await t.test('S13: types CHAT and PROP', async () => {
    await viewer.click('[data-prop="ROCKET"]');
    await sees(anchor, 'sends a Rocket', '匿名');
    await anchor.click('[data-prop="HEART"]');
    await sees(viewer, 'sends a Heart', 'Anchor');
    await until('a card of the gift is on the stage', async () => (await viewer.locator('#stage').textContent()).includes('Heart'));
  });
  await t.test('S13: publish fails with code and content', async () => {
    await room.ask('PUT', '/v1/rooms/live:1/settings', { muted: true });
    await say(viewer, 'not now');
    await viewer.waitForSelector('#received:has-text("NOT SENT: muted, ")');
    await viewer.waitForSelector('#lines li.failed:has-text("not now")');
    await room.ask('PUT', '/v1/rooms/live:1/settings', {});
    await say(viewer, 'and now');
    await sees(anchor, 'and now');
    assert.equal(await count(anchor, 'not now'), 0);
  });
  await t.test('S13: history for who comes late', async () => {
    const late = await open(t);
    await Promise.all([sees(late, 'first!', '匿名'), sees(late, 'welcome', 'Anchor'), sees(late, 'sends a Rocket')]);
    await late.context().close();
  });
  quiet(anchor, viewer);
});

test('who is here', async (t) => {
  const ann = await enter(await open(t, { reducedMotion: 'no-preference' }), 'Ann', 'cat'); // for the picture
  const bob = await enter(await open(t), 'Bob', 'fox');

  await t.test('S13: login with nickname, avatar and room', () => bob.waitForSelector('#people .pill:has-text("Bob") img[src="/avatars/fox.svg"]'));
  await t.test('S13: hereNow tells the users that are there already', () => bob.waitForSelector('#people .pill:has-text("Ann") img[src="/avatars/cat.svg"]'));
  await t.test('S13: presence: join with avatar and amount', async () => {
    const eve = await enter(await open(t), 'Eve', 'whale');
    await sees(ann, 'Eve came');
    await ann.waitForSelector('#people .pill:has-text("Eve") img[src="/avatars/whale.svg"]');
    await ann.waitForSelector('#users:text-is("3")');
    await eve.context().close();
  });
  await t.test('S13: presence: leave', async () => {
    await sees(ann, 'Eve went');
    await ann.waitForSelector('#users:text-is("2")');
  });
  await t.test('S1: current client count', async () => {
    await ann.waitForSelector('#count:text-is("2")');
    const more = await open(t);
    await ann.waitForSelector('#count:text-is("3")');
    await more.context().close();
  });
  await t.test('S1: defect: dead clients are deleted', async () => {
    const dead = await Raw.open(room.server, '/ws?room=live:1');
    await ann.waitForSelector('#count:text-is("3")');
    dead.vanish();
    await ann.waitForSelector('#count:text-is("2")');
  });
  await t.test('S13: selfSent, and defect: several windows of a user save no duplicates', async () => {
    const windows = [ann, await connectAs(ann, t), await connectAs(ann, t)];
    await say(ann, 'saved once');
    await Promise.all([...windows, bob].map((p) => sees(p, 'saved once')));
    await ann.waitForSelector('#lines li.own:has-text("saved once")');
    const saved = await until('it is saved', async () => {
      const all = await (await fetch(`${room.page}/saved`)).json();
      return all?.includes('"saved once"') && all;
    });
    assert.equal(saved.filter((text) => text === '"saved once"').length, 1);
  });
  await say(bob, '弹幕来了 🎉');
  await say(ann, 'What a sky tonight');
  await bob.click('[data-prop="ROCKET"]');
  for (const text of ['Is that an aurora?', '好看', 'hello from the back row', '666']) await room.publish('live:1', text, 'kind=comment&name=Guest');
  await sees(ann, '666');
  await until('they fly', () => ann.evaluate(() => document.getElementById('stage').danmaku.shown.length >= 4));
  await room.picture(ann);
  quiet(ann, bob);
});

// connectAs opens one more window of a user.
async function connectAs(page, t) {
  const name = await page.textContent('#me');
  return enter(await open(t), name, 'cat');
}

test('clients that misbehave', async (t) => {
  const viewer = await open(t);
  const frozen = await Raw.open(room.server, '/ws?room=live:1');
  assert.equal(frozen.status, 101);
  frozen.freeze();

  await t.test('S1: defect: a slow client blocks nobody', async () => {
    const flood = Array.from({ length: 20 }, () => ({ room: 'live:1', text: 'x'.repeat(50_000), kind: 'filler', history: false }));
    for (let i = 0; i < 10; i++) await room.ask('POST', '/v1/rooms/messages', flood);
    await room.publish('live:1', 'behind the flood', 'history=false');
    await sees(viewer, 'behind the flood');
    assert.ok(await room.metric('barrage_messages_pending') > 0, 'the frozen client is behind');
  });
  await t.test('S1: defect: a failed send does not end the fan-out', async () => {
    const others = await Promise.all(Array.from({ length: 20 }, () => Raw.open(room.server, '/ws?room=live:1')));
    for (const [i, other] of others.entries()) if (i % 2) other.vanish();
    await room.publish('live:1', 'to those who are left', 'history=false');
    await sees(viewer, 'to those who are left');
    for (const [i, other] of others.entries()) if (i % 2 === 0) await until('it is there', () => other.bytes.includes('to those who are left'));
    for (const other of others) other.vanish();
    frozen.vanish();
  });
  await t.test('S1: defect: comings and goings at once leave the right count', async () => {
    for (let round = 0; round < 3; round++) {
      const many = await Promise.all(Array.from({ length: 60 }, () => Raw.open(room.server, '/ws?room=live:1')));
      for (const one of many) one.vanish();
    }
    await until('one is left', async () => (await room.ask('GET', '/v1/rooms/live:1')).members === 1);
    await viewer.waitForSelector('#count:text-is("1")');
  });
  quiet(viewer);
});

test('Redis', async (t) => {
  const viewer = await open(t);
  const subscribers = async () => (await room.redisCli('CLIENT', 'LIST', 'TYPE', 'pubsub')).split('\n').length;

  await t.test('S2: one subscription feeds every client, and defect: no connection for each call', async () => {
    const before = await subscribers();
    const many = await Promise.all(Array.from({ length: 30 }, () => Raw.open(room.server, '/ws?room=live:1')));
    for (let i = 0; i < 10; i++) assert.equal(await room.redisCli('PUBLISH', 'channel', `tick ${i}`), '1');
    await sees(viewer, 'tick 9');
    for (const one of many) await until('all have it', () => one.bytes.includes('tick 9'));
    assert.equal(await subscribers(), before);
    for (const one of many) one.vanish();
  });
  await t.test('S2: reconnect and resubscribe, and defect: no reconnect', async () => {
    await room.redisCli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until('it is subscribed again', async () => (await room.redisCli('PUBLISH', 'channel', 'back again')) === '1');
    await sees(viewer, 'back again');
  });
  quiet(viewer);
});
