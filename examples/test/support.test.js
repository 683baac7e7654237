// Customer service (S7, S20): real browser and server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Example, quiet, until } from './harness.js';

let support;

before(async () => {
  support = await Example.start('support');
});
after(() => support?.stop());

const sees = (page, text) => page.waitForSelector(`#lines li:has-text("${text}")`);
const says = async (page, text) => {
  await page.fill('#text', text);
  await page.click('#composer button');
};

async function customer(t, name) {
  const page = await support.open(t, '/');
  await page.fill('#name', name);
  await page.click('#login button');
  await sees(page, `Welcome, ${name}.`);
  return page;
}

async function agent(context, name, avatar, sign) {
  const page = await support.tab(context, '/agent.html');
  await page.fill('#name', name);
  await page.selectOption('#avatar', avatar);
  await page.fill('#sign', sign);
  await page.click('#login button');
  await sees(page, `Welcome back, ${name}.`);
  return page;
}

test('a case, from the queue to its transcript', async (t) => {
  const li = await customer(t, 'Li');
  const { context: office } = await support.open(t, '/agent.html').then((p) => ({ context: p.context() }));
  const amy = await agent(office, 'Amy', 'cat', 'Tea first');
  const ben = await agent(office, 'Ben', 'fox', 'On duty');

  await t.test('S20: welcome message, and admin welcome', () => sees(li, 'You are no. 1 in the queue.'));
  await t.test('S7: open a session', async () => {
    await ben.waitForSelector('#queue button:has-text("Take Li")');
    await amy.click('#queue button:has-text("Take Li")');
    await sees(li, 'Amy is with you');
    await ben.waitForSelector('#count:text-is("0")');
  });
  await t.test('S20: token to uid', async () => {
    const welcome = li.frames.map((f) => JSON.parse(f)).find((f) => f.push === 'welcome');
    assert.equal(welcome.user, 'customer-1');
  });
  await t.test('S20: direct message by target id, and auto receipt', async () => {
    await says(li, 'My order is late');
    await sees(amy, 'My order is late');
    await sees(li, '您好,Li,您的消息:My order is late 我已收到');
    await says(amy, 'Let me look');
    await sees(li, 'Let me look');
    assert.equal(await ben.locator('li:has-text("My order is late")').count(), 0);
  });
  await t.test('S20: typing', async () => {
    await li.type('#text', 'I');
    await amy.waitForSelector('#typing:has-text("对方正在输入")');
    await li.fill('#text', '');
  });
  await t.test('S20: read receipt', () => amy.waitForSelector('#lines li.own:has-text("Let me look") .mark:text-is("✓✓")'));
  await t.test('S20: avatar and sign, and status online or hide', async () => {
    await li.waitForSelector('#lines li:has-text("Let me look") img[src="/avatars/cat.svg"]');
    await li.waitForSelector('#agent:text-is("Amy · online · Tea first")');
    await amy.selectOption('#status', 'away');
    await li.waitForSelector('#agent:has-text("Amy · away")');
    await amy.selectOption('#status', 'hidden');
    await li.waitForSelector('#agent:text-is("Amy · not online")');
    await ben.waitForSelector('#people:not(:has-text("Amy"))');
    await amy.selectOption('#status', 'online');
    await li.waitForSelector('#agent:has-text("Amy · online")');
  });
  await t.test('S7: text and image, and image by upload and URL', async () => {
    const shot = await li.screenshot({ clip: { x: 0, y: 0, width: 220, height: 120 } });
    await li.setInputFiles('#file', { name: 'parcel.png', mimeType: 'image/png', buffer: shot });
    const image = await amy.waitForSelector('#lines .picture .text img[src^="/images/"]');
    await until('it is shown', () => image.evaluate((i) => i.naturalWidth === 220));
  });
  await t.test('S7: defect: frame-size pressure of base64', async () => {
    const frame = amy.frames.find((f) => f.includes('/images/'));
    assert.ok(frame.length < 500, `${frame.length} bytes`);
    const token = await li.evaluate(() => sessionStorage.token);
    const response = await fetch(`${support.server}/publish`, {
      method: 'POST', headers: { Authorization: `Bearer ${token}` },
      body: JSON.stringify({ to: 'agent-amy', kind: 'chat', data: { image: `data:image/png;base64,${'A'.repeat(6000)}` } }),
    });
    assert.equal((await response.json()).error.code, 'too_big');
  });
  await t.test('S20: a group message has the group\'s id, not the sender\'s', async () => {
    await amy.click('#talks button:has-text("Team")');
    await says(amy, 'Lunch at one?');
    await ben.waitForSelector('#title:text-is("Team")');
    await sees(ben, 'Lunch at one?');
    assert.equal(await ben.locator('#talks button:has-text("Amy")').count(), 0);
    await amy.click('#talks button:has-text("Li")');
  });
  await support.picture(amy);

  await t.test('S20: peer-offline notice, and stored delivery on return', async () => {
    await li.goto('about:blank');
    await until('Li has gone', async () => !(await support.ask('GET', '/v1/users/customer-1')).online);
    await says(amy, 'It comes tomorrow');
    await sees(amy, '对方暂时不在线哦!');
    await li.goto(support.page);
    await sees(li, 'It comes tomorrow');
    assert.equal(await li.locator('li:has-text("Let me look")').count(), 0, 'what was read comes again');
  });
  let back; // Amy, after a reload
  await t.test('S20: all unread are flushed to the admin, and defect: unread and offline messages are not lost', async () => {
    await amy.close();
    await until('Amy has gone', async () => !(await support.ask('GET', '/v1/users/agent-amy')).online);
    await says(li, 'Thank you');
    await says(li, 'One more thing');
    await sees(li, '对方暂时不在线哦!');
    back = await agent(office, 'Amy', 'cat', 'Tea first');
    await back.waitForSelector('#talks button:has-text("Li") .badge:text-is("2")');
    await back.click('#talks button:has-text("Li")');
    await Promise.all([sees(back, 'Thank you'), sees(back, 'One more thing')]);
    await back.waitForSelector('#talks button:has-text("Li"):not(:has(.badge))');
  });
  await t.test('S7: close the session, and the whole transcript is pushed to a third party', async () => {
    await until('all is in the record', async () => (await record()).length === 6);
    await back.click('#close');
    await sees(li, 'This case is closed.');
    const [sent] = await until('the third party has it', async () => (await (await fetch(`${support.page}/crm`)).json()) ?? undefined);
    assert.deepEqual([sent.case, sent.reason], ['customer-1', 'closed by agent-amy']);
    assert.deepEqual(sent.lines.map((l) => `${l.from}: ${l.data.text ?? 'a picture'}`), [
      'Li: My order is late', 'Amy: Let me look', 'Li: a picture', 'Amy: It comes tomorrow', 'Li: Thank you', 'Li: One more thing',
    ]);
    assert.equal((await record()).length, 0);
  });
  quiet(li, ben, back);
});

const record = async () => (await support.ask('GET', '/v1/rooms/case:customer-1/messages?limit=100')).messages;
