// The seat map (S21, S22): real browser, server and Redis.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Example, quiet, Raw, until } from './harness.js';

let seats;

before(async () => {
  seats = await Example.start('seats');
});
after(() => seats?.stop());

async function open(t, path = '/') {
  const page = await seats.open(t, path);
  await page.waitForSelector('#state[data-state="open"]');
  await page.waitForSelector('#seats button');
  return page;
}

const take = (merchant, seat) => fetch(`${seats.page}/take?merchantId=${merchant}&seat=${seat}`, { method: 'POST' });
const look = (room) => Raw.open(seats.server, `/ws?room=${room}&token=bk_lUIQ292Gd0xP2F5OB7v4bS7-KvgCT8vBMQaWvvixmYo`, { Origin: seats.page });
const taken = (page, seat) => page.waitForSelector(`#seats button:disabled:text-is("${seat}")`);
const refreshed = async (page) => Number(await page.textContent('#refreshed'));

test('a cinema and its pages', async (t) => {
  const pages = [await open(t), await open(t)];
  const elsewhere = await open(t, '/?cinema=2');

  await t.test('S21: a page asks by POST for its merchant and joins merchantId_<id>', async () => {
    assert.equal(await pages[0].textContent('#merchant'), '1');
    await until('both are in the room', async () => (await seats.ask('GET', '/v1/rooms/merchantId_1')).members === 2);
  });
  await t.test('S21: HTTP GET ?merchantId= pushes refresh to that set and replies success', async () => {
    await take(1, 'C4');
    assert.equal(await seats.sh('refresh.sh', '1'), 'success');
    await Promise.all(pages.map((p) => taken(p, 'C4')));
    await until('it was said in words', () => pages[0].frames.some((f) => f.includes('"data":"refresh"')));
  });
  await t.test('S21: the same by GET on the port of the pages, with a key', async () => {
    await take(1, 'C6');
    assert.match(await seats.sh('refresh-key.sh', '1'), /"message_id"/);
    await Promise.all(pages.map((p) => taken(p, 'C6')));
    const refused = await fetch(`${seats.server}/push?key=bk_guessed&room=merchantId_1&text=refresh`);
    assert.notEqual(refused.status, 200);
  });
  await t.test('S21: other merchants are left alone', async () => {
    await seats.sh('refresh.sh', '2');
    await until('they are refreshed', async () => await refreshed(elsewhere) === 1);
    assert.equal(await elsewhere.locator('#seats button:disabled').count(), 0);
    assert.equal(await refreshed(pages[0]), 2);
  });
  await t.test('S21: dead connections are removed, and defect: no descriptor goes stale or is reused for another', async () => {
    const dead = await Promise.all(Array.from({ length: 10 }, () => look('merchantId_1')));
    for (const one of dead) one.vanish();
    // Who comes now gets the descriptors that have become free, and is in another room.
    const heirs = await Promise.all(Array.from({ length: 10 }, () => look('merchantId_3')));
    await seats.sh('refresh.sh', '1');
    await until('the dead are gone', async () => (await seats.ask('GET', '/v1/rooms/merchantId_1')).members === 2);
    await seats.sh('refresh.sh', '3');
    for (const heir of heirs) {
      await until('it is refreshed', () => heir.bytes.includes('refresh'));
      assert.equal(String(heir.bytes).match(/refresh/g).length, 1);
      heir.vanish();
    }
  });
  await t.test('S21: a seat is sold once', async () => {
    await pages[0].click('#seats button:text-is("D5")');
    await pages[0].waitForSelector('#answer:text-is("Seat D5 is yours.")');
    await Promise.all(pages.map((p) => taken(p, 'D5')));
    await pages[1].evaluate(() => { // a page that does not know yet
      const button = [...document.querySelectorAll('#seats button')].find((b) => b.textContent === 'D5');
      button.disabled = false;
      button.click();
    });
    await pages[1].waitForSelector('#answer:text-is("Seat D5 is taken.")');
  });
  for (const seat of ['A1', 'A2', 'C5', 'E9', 'E8', 'F10']) await take(1, seat);
  await seats.sh('refresh.sh', '1');
  await Promise.all(pages.map((p) => taken(p, 'F10')));
  await seats.picture(pages[0]);
  quiet(...pages, elsewhere);
});

test('Redis', async (t) => {
  const page = await open(t);
  const subscribers = async () => (await seats.redisCli('CLIENT', 'LIST', 'TYPE', 'pubsub')).split('\n').filter(Boolean);

  await t.test('S22: Redis pub/sub refreshes', async () => {
    await take(1, 'B1');
    assert.equal(await seats.sh('refresh-redis.sh', '1'), '1');
    await taken(page, 'B1');
  });
  await t.test('S22: the subscriber survives idle, and there is a health ping', async () => {
    // Nothing is published for a while: it is the same connection all the time, on which
    // something is said every second or so, as Redis itself tells.
    const field = (line, name) => Number(line.match(new RegExp(`\\b${name}=(\\d+)`))[1]);
    const [before] = await subscribers();
    await until('it has been there for a while, and has said something since', async () => {
      const now = (await subscribers()).find((line) => field(line, 'id') === field(before, 'id'));
      assert.ok(now, 'the subscriber was given up while idle');
      return field(now, 'age') >= field(before, 'age') + 4 && field(now, 'idle') < 4;
    });
    assert.equal(await seats.sh('refresh-redis.sh', '1'), '1');
  });
  await t.test('S22: resubscribe after Redis drops it', async () => {
    await seats.redisCli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await take(1, 'B2');
    await until('it is subscribed again', async () => await seats.sh('refresh-redis.sh', '1') === '1');
    await taken(page, 'B2');
  });
  quiet(page);
});
