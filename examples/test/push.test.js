// The push service (S4, S14): real browser, server and Redis, two nodes.

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { Example, quiet, Raw, until } from './harness.js';

let push;
let yaml;

before(async () => {
  push = await Example.start('push');
  yaml = readFileSync(`${push.folder}barrage.yaml`, 'utf8');
});
after(() => push?.stop());

const sees = (page, text) => page.waitForSelector(`#lines li:has-text("${text}")`);
const key = (name) => yaml.match(new RegExp(`name: ${name} +# (bk_\\S+)`))[1];
const listen = (room, name = 'common', headers) => Raw.open(push.server, `/ws?room=${room}&token=${key(name)}`, headers);

async function open(t, options) {
  const page = await push.open(t, '/', options);
  await page.waitForSelector('#state[data-state="open"]');
  return page;
}

test('screens, programs and devices', async (t) => {
  const screen = await open(t);
  const other = await open(t);

  await t.test('S4: HTTP push into all sockets', async () => {
    const answer = JSON.parse(await push.sh('push.sh', 'shop:orders', '"Order 8 is ready"'));
    assert.equal(answer.offset, 1);
    await Promise.all([screen, other].map((p) => sees(p, 'Order 8 is ready')));
  });
  await t.test('S4: push by GET where the key allows it', async () => {
    await push.sh('get.sh', 'shop:doors', 'the door is open');
    await sees(screen, 'the door is open');
    const refused = await fetch(`${push.server}/push?key=${key('common')}&room=shop:doors&text=no`);
    assert.deepEqual([refused.status, (await refused.json()).error.code], [403, 'forbidden']);
  });
  await t.test('S14: the common key publishes and subscribes', async () => {
    const both = await listen('shop:tills');
    await screen.click('#common button.main');
    await screen.waitForSelector('#answer:has-text("published as no. 2")');
    await sees(other, 'Order 7 is ready');
    await push.sh('push.sh', 'shop:tills', '"to the till"');
    await until('it hears', () => both.bytes.includes('to the till'));
    both.vanish();
  });
  await t.test('S14: the subscriber key only subscribes', async () => {
    await screen.click('#refused');
    await screen.waitForSelector('#refusal:has-text("refused: forbidden")');
    assert.equal(await other.locator('#lines li:has-text("mine")').count(), 0);
  });
  await t.test('S14: images by URL or path only', async () => {
    await screen.click('#picture');
    await other.waitForSelector('#lines .picture img[src="/mug.svg"]');
    const response = await fetch(`${push.server}/publish`, {
      method: 'POST', headers: { Authorization: `Bearer ${key('common')}` },
      body: JSON.stringify({ room: 'shop:orders', data: { image: `data:image/png;base64,${'A'.repeat(5000)}` } }),
    });
    assert.equal((await response.json()).error.code, 'too_big');
  });
  await t.test('S14: a channel is any string without spaces, without creation', async () => {
    for (const room of ['shop:今日', 'shop:7/8@x.y']) {
      const reader = await listen(encodeURIComponent(room));
      await push.sh('push.sh', room, '"hello"');
      await until('it is there', () => reader.bytes.includes('hello'));
      reader.vanish();
    }
    assert.match(await push.sh('push.sh', 'shop:with space', '"hello"'), /"code":"bad_room"/);
  });
  await t.test('S14: REST publish from any language', async () => {
    await promisify(execFile)('python3', ['-c', `
import json, urllib.request
q = urllib.request.Request('${push.server}/publish', json.dumps({'room': 'shop:orders', 'data': 'from Python'}).encode(),
                           {'Authorization': 'Bearer ${key('common')}'})
assert json.load(urllib.request.urlopen(q))['offset'] > 0`]);
    await sees(screen, 'from Python');
  });
  await t.test('S14: region hosts', async () => {
    await other.selectOption('#region', { label: 'Singapore' });
    await other.waitForSelector('#state[data-state="open"]');
    await sees(other, 'Order 8 is ready');
    await push.sh('push.sh', 'shop:orders', '"from Hangzhou to Singapore"');
    await sees(other, 'from Hangzhou to Singapore');
    await other.click('#common button.main');
    await until('it comes back', async () => await screen.locator('#lines li:has-text("Order 7 is ready")').count() === 2);
  });
  await t.test('S14: wss domain whitelist', async () => {
    const foreign = await listen('shop:orders', 'screen', { Origin: 'https://other.example' });
    assert.equal(foreign.status, 403);
    const own = await listen('shop:orders', 'screen', { Origin: push.page });
    assert.equal(own.status, 101);
    own.vanish();
  });
  await t.test('S4: heartbeat text', async () => {
    const first = await screen.waitForSelector('#beat:text-matches("^\\\\d\\\\d:\\\\d\\\\d:\\\\d\\\\d$")').then((e) => e.textContent());
    await screen.waitForSelector(`#beat:not(:text-is("${first}"))`);
  });
  await push.picture(screen);
  quiet(screen, other);
});

test('S14: keys are made by barrage key create', () => {
  const bin = process.env.SERVER_BIN ?? `${push.folder}../../bin/barrage-test`;
  const again = spawnSync(bin, ['key', 'create', '--name', 'device', '--publish', '--get', '--rate', '5', '--rooms', 'shop:*', '--from', '-'], { input: key('device') });
  const hash = String(again.stderr).match(/hash: (\S+)/)[1];
  assert.ok(yaml.includes(hash), `barrage.yaml has no ${hash}`);
});

test('sockets', async (t) => {
  const goroutines = () => push.metric('go_goroutines');
  const connections = async () => await push.metric('barrage_connections ');

  await t.test('S4: defect: no message of many is dropped', async () => {
    const reader = await listen('shop:many');
    await push.ask('POST', '/v1/rooms/messages', Array.from({ length: 300 }, (_, i) => ({ room: 'shop:many', text: `<${i}>` })));
    await until('the last has come', () => reader.bytes.includes('<299>'));
    const got = String(reader.bytes).match(/<\d+>/g);
    assert.deepEqual(got, Array.from({ length: 300 }, (_, i) => `<${i}>`));
    reader.vanish();
  });
  await t.test('S4: echo', async () => {
    const client = await Raw.open(push.server, `/echo?token=${key('common')}`);
    client.send('ping me back');
    await until('it comes back', () => client.bytes.includes('ping me back'));
    client.vanish();
  });
  await t.test('S4: defect: no goroutines and queues for each connection, and defect: no goroutine is left behind', async () => {
    await until('those of before are gone', async () => await connections() === 0);
    const before = await goroutines();
    const many = await Promise.all(Array.from({ length: 200 }, () => listen('shop:clock')));
    await until('all are in', async () => await connections() === 200);
    assert.ok(await goroutines() < before + 50, 'a goroutine for each connection');
    for (const one of many) one.vanish();
    await until('all are gone', async () => await connections() === 0);
    await until('no goroutine is left', async () => await goroutines() <= before + 5);
  });
  await t.test('S4: the heartbeat stops with its connection', async () => {
    const beats = () => push.metric('barrage_messages_published_total');
    const offered = await push.metric('barrage_messages_offered_total');
    const from = await beats();
    await until('two more beats', async () => await beats() >= from + 2);
    assert.equal(await push.metric('barrage_messages_offered_total'), offered);
  });
  await t.test('S4: queues are bounded', async () => {
    const frozen = await listen('shop:flood');
    frozen.freeze();
    const flood = Array.from({ length: 20 }, () => ({ room: 'shop:flood', text: 'x'.repeat(50_000), history: false }));
    await until('the frozen one is skipped', async () => {
      await push.ask('POST', '/v1/rooms/messages', flood);
      return await push.metric('barrage_messages_skipped_total{reason="slow"}') > 0;
    });
    frozen.vanish();
  });
  await t.test('S4: close is re-entrant, and defect: closing at once from many sides', async () => {
    const page = await open(t);
    const { conn } = JSON.parse(page.frames.find((f) => f.includes('"push":"welcome"')));
    const closes = await Promise.all(Array.from({ length: 20 }, () =>
      fetch(`${push.admin}/v1/connections/${conn}/disconnect`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"reason":"once"}' })));
    assert.ok(closes.some((r) => r.status === 200), 'nobody closed it');
    assert.ok(closes.every((r) => [200, 404].includes(r.status)), closes.map((r) => r.status).join());
    await page.waitForSelector('#state[data-state="stopped"]');
    assert.equal(page.frames.filter((f) => f.includes('"push":"bye"')).length, 1);
  });
});
