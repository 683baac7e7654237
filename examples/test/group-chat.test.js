// The group chat (S3, S11, S19): real browser, server and handshakes.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { inflateRawSync } from 'node:zlib';

import { Example, quiet, Raw, until } from './harness.js';

let chat;

before(async () => {
  chat = await Example.start('group-chat');
});
after(() => chat?.stop());

async function enter(t, login, path = '/') {
  const page = await chat.open(t, path);
  await page.fill('#secret', login);
  await page.click('#login button');
  return page;
}

async function say(page, text) {
  await page.fill('#text', text);
  await page.click('#composer button');
}

const sees = (page, text) => page.waitForSelector(`#lines li:has-text("${text}")`);
const hears = (raw, text) => until(`it hears ${text}`, () => raw.bytes.includes(text));
const token = async () => (await fetch(`${chat.page}/token`, { method: 'POST', headers: { Authorization: `Basic ${btoa('ann:secret')}` } })).json();

test('a page with several rooms', async (t) => {
  const ann = await enter(t, 'ann:secret');
  const bob = await enter(t, 'bob:hunter2');

  await t.test('S11: the first message is user:password until ok', async () => {
    await sees(ann, 'Congratulations, Ann, you are in.');
    await sees(bob, 'Congratulations, Bob, you are in.');
  });
  await t.test('S3: a message is appended with its date', async () => {
    await say(ann, 'kettle is on');
    const line = await sees(bob, 'kettle is on');
    const year = String(new Date().getFullYear());
    assert.ok((await line.textContent()).includes(year), await line.textContent());
  });
  await t.test('S3: several rooms', async () => {
    await ann.click('#groups button:has-text("group:cake")');
    await say(ann, 'who baked?');
    await bob.waitForSelector('#groups button:has-text("group:cake") .badge:text-is("1")');
    assert.equal(await bob.locator('#lines li:has-text("who baked?")').count(), 0);
    await bob.click('#groups button:has-text("group:cake")');
    await sees(bob, 'who baked?');
    for (const page of [ann, bob]) await page.click('#groups button:has-text("group:tea")');
  });
  await t.test('S11: then your submit context', async () => {
    await sees(ann, 'your submit context: kettle is on');
    assert.equal(await bob.locator('li:has-text("your submit context")').count(), 0);
  });
  await say(bob, 'Milk or lemon?');
  await sees(ann, 'Milk or lemon?');
  await chat.picture(ann);
  await t.test('S3: onclose alert with the state, and defect: no reconnect', async () => {
    await ann.evaluate(() => new MutationObserver(() => (document.body.dataset.alert = document.getElementById('alert').textContent)).observe(document.getElementById('alert'), { childList: true }));
    await chat.ask('POST', '/v1/users/ann/disconnect', { reason: 'upgrade', reconnect: true });
    await ann.waitForSelector('body[data-alert*="waiting, code 4103, upgrade"]');
    await say(bob, 'said meanwhile');
    await sees(ann, 'said meanwhile');
    await ann.waitForSelector('#state[data-state="open"]');
    await ann.waitForSelector('#alert', { state: 'hidden' });
  });
  await t.test('S11: exit closes with a reason', async () => {
    await say(bob, 'exit');
    await bob.waitForSelector('#alert:has-text("stopped, code 4200, user exit")');
    assert.equal(await ann.locator('li:has(.text:text-is("exit"))').count(), 0);
  });
  quiet(ann, bob);
});

test('who is not let in', async (t) => {
  await t.test('S3: onerror alert, and defect: pages of any origin are let in', async () => {
    const foreign = await enter(t, 'ann:secret', chat.page.replace('127.0.0.1', 'localhost'));
    await foreign.waitForSelector('#alert:has-text("code 1006")');
    const refused = await Raw.open(chat.server, '/ws?room=group:tea', { Origin: 'https://other.example' });
    assert.equal(refused.status, 403);
  });
  await t.test('S3: defect: no authentication', async () => {
    const page = await enter(t, 'eve:guess');
    await page.waitForSelector('#alert:has-text("stopped, code 4202")');
    await page.waitForSelector('#problem:has-text("wrong_password")');
    const nobody = await Raw.open(chat.server, '/ws?room=group:tea');
    nobody.send('not a login');
    await hears(nobody, 'Wrong user or password');
    assert.ok(!nobody.bytes.includes('kettle'));
    nobody.vanish();
  });
  await t.test('S11: defect: unlimited attempts', async () => {
    const raw = await Raw.open(chat.server, '/ws?room=group:tea');
    for (const tries of [1, 2]) {
      raw.send(`mallory:guess-${tries}`);
      await until('it is refused', () => String(raw.bytes).match(/Wrong user/g)?.length === tries);
    }
    raw.send('mallory:guess-3');
    await until('it is closed with 4202', () => raw.bytes.includes(Buffer.from([0x10, 0x6a])));
    assert.ok(String(raw.bytes).match(/Wrong user/g).length <= 3);
  });
  await t.test('S11: unauthenticated connections have a deadline', async () => {
    const silent = await Raw.open(chat.server, '/ws', { 'Sec-WebSocket-Protocol': 'barrage.v1' });
    await hears(silent, '"code":4201');
  });
  await t.test('S11: handshake diagnostics, and clear bind-address log', async () => {
    const plain = await fetch(`${chat.server}/ws?room=group:tea`);
    assert.equal(plain.status, 426);
    assert.match(await plain.text(), /upgrade/i);
    const { hostname, port, host } = new URL(chat.server);
    const socket = connect(Number(port), hostname);
    socket.write('hello?\r\n\r\n');
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 400 /);
    socket.destroy();
    assert.ok(chat.output.includes(`barrage ready: ws on ${host}, admin on`), chat.output);
  });
});

test('the handshake as captured', async (t) => {
  const secret = await token();
  const path = `/ws/chat/haibo/${secret}/`;

  await t.test('S19: token in the path, and cookies do no harm', async () => {
    const shown = await chat.sh('handshake.sh', 'ann:secret');
    assert.match(shown, /^HTTP\/1\.1 101 /);
    assert.match(shown, /^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=$/m);
    assert.match(shown, /^Sec-WebSocket-Extensions: permessage-deflate; /m);
    assert.doesNotMatch(shown, /Sec-WebSocket-Protocol/);
    const forged = await Raw.open(chat.server, `/ws/chat/haibo/${secret.slice(0, -2)}xx/`);
    assert.equal(forged.status, 401);
  });
  await t.test('S19: token in the query', async () => {
    const raw = await Raw.open(chat.server, `/ws?room=haibo&token=${secret}`);
    assert.equal(raw.status, 101);
    raw.vanish();
  });
  await t.test('S19: permessage-deflate is used as negotiated', async () => {
    const raw = await Raw.open(chat.server, path, { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' });
    const plain = await Raw.open(chat.server, path);
    const text = 'the kettle is on, '.repeat(40);
    await until('both are in', async () => (await chat.ask('GET', '/v1/rooms/haibo')).members === 2);
    await chat.publish('haibo', text);
    await until('a whole frame is there', () => raw.bytes.length > 2 && raw.bytes.length >= 2 + raw.bytes[1]);
    assert.equal(raw.bytes[0], 0xc1, 'a text, compressed');
    const body = Buffer.concat([raw.bytes.subarray(2, 2 + raw.bytes[1]), Buffer.from([0, 0, 0xff, 0xff])]);
    assert.equal(String(inflateRawSync(body, { finishFlush: 2 })), JSON.stringify(text));
    await hears(plain, text);
    for (const one of [raw, plain]) one.vanish();
  });
  await t.test('S19: cookies may have the token', async () => {
    const protocol = { 'Sec-WebSocket-Protocol': 'barrage.v1', Cookie: `csrftoken=b6bK; chat_token=${secret}` };
    const own = await Raw.open(chat.server, '/ws?room=haibo', { ...protocol, Origin: chat.page });
    await hears(own, '"user":"ann"');
    const foreign = await Raw.open(chat.server, '/ws?room=haibo', { ...protocol, Origin: 'https://other.example' });
    assert.equal(foreign.status, 403);
    own.vanish();
  });
  await t.test('S19: sub-protocol negotiation', async () => {
    const key = 'dGhlIHNhbXBsZSBub25jZQ==';
    const asked = await Raw.open(chat.server, path, { 'Sec-WebSocket-Key': key, 'Sec-WebSocket-Protocol': 'chat, barrage.v1' });
    assert.equal(asked.headers['sec-websocket-protocol'], 'barrage.v1');
    assert.equal(asked.headers['sec-websocket-accept'], createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64'));
    const other = await Raw.open(chat.server, path, { 'Sec-WebSocket-Protocol': 'chat' });
    assert.deepEqual([other.status, other.headers['sec-websocket-protocol'], other.headers['sec-websocket-extensions']], [101, undefined, undefined]);
    for (const one of [asked, other]) one.vanish();
  });
});
