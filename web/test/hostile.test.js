// Strangers try to run something in the page, or to load it from elsewhere, through every text
// that they choose: what is said, names, pictures, colours, rooms, addresses, refusals.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, World } from './harness.js';
import { connected, openPage, PATIENCE } from './pages.js';

let world;
let browser;

before(async () => {
  world = await World.start();
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await world?.stop();
});

const RUN = 'window.ran=(window.ran||0)+1';
const EVIL = [
  `<script>${RUN}</script>`,
  `<img src=x onerror="${RUN}">`,
  `"><svg onload="${RUN}">`,
  `' onmouseover='${RUN}`,
  `<iframe srcdoc="<script>parent.${RUN}</script>"></iframe>`,
  `javascript:${RUN}`,
  `</li></ol><a href="javascript:${RUN}">x</a>`,
  `{{constructor.constructor("${RUN}")()}}`,
  '${' + RUN + '}',
  `\u202e\u2066<b onclick=${RUN}>`,
];
const URLS = ['javascript:window.ran=1', 'data:text/html,<script>parent.ran=1</script>', 'https://evil.example/x.png', '//evil.example/x.png', 'x" onerror="window.ran=1'];
const COLORS = ['red;background:url(https://evil.example/x)', 'url(javascript:window.ran=1)', '#fff;}*{background:url(//evil.example)}', 'expression(window.ran=1)'];

// quiet says that nothing ran, nothing was asked for elsewhere, and no element is there that
// the page does not make itself.
async function quiet(page, asked) {
  await page.mouse.move(400, 300);
  assert.equal(await page.evaluate(() => window.ran), undefined);
  assert.deepEqual(asked, [], 'asked for');
  assert.deepEqual(page.troubles, []);
  assert.equal(await page.locator('#stage :not(div, canvas, span, strong), #log :not(li, div, span, time, button), #people-list :not(li, span), #rooms :not(li, button, span)').count(), 0);
  assert.equal(await page.locator('[onerror], [onload], [onclick], [onmouseover], a[href^="javascript"]').count(), 0);
}

async function open(t, room, options) {
  const page = await openPage(t, browser, world.url, room, options);
  const asked = [];
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(world.url) && !url.startsWith(world.url.replace('http', 'ws')) && !url.startsWith('data:')) asked.push(url);
  });
  return { page, asked };
}

test('what is said, by whom, in which colour, as which gift', async (t) => {
  const { page, asked } = await open(t, 'evil');
  await connected(page);
  const said = [];
  for (const evil of EVIL) {
    said.push(evil, JSON.stringify({ text: evil, nick: evil, color: evil, mode: evil }), JSON.stringify({ gift: evil, nick: evil }), JSON.stringify({ likes: evil }));
    said.push(JSON.stringify({ gift: 'rocket', nick: evil, color: evil, icon: evil }));
  }
  for (const color of COLORS) said.push(JSON.stringify({ text: 'c', color }));
  for (const url of URLS) said.push(JSON.stringify({ text: 'u', image: url, avatar: url, icon: url, emoji: { u: url } }));
  said.push('{"__proto__":{"text":"x"}}', '{"gift":"constructor"}', '{"gift":"__proto__"}', '{"text":"the last"}');
  for (const text of said) await world.post('evil', text);
  await page.waitForFunction(() => document.querySelector('#log li:last-child .text')?.textContent === 'the last', null, PATIENCE);
  await page.waitForTimeout(50); // pictures would be asked for by now
  await quiet(page, asked);
});

test('names and pictures that backends pass on', async (t) => {
  const { page, asked } = await open(t, 'passed');
  await connected(page);
  for (const evil of EVIL) {
    const name = evil.replaceAll(/[\u202e\u2066]/g, '');
    assert.equal(await world.postAs('passed', 'by name', { user: name.slice(0, 60), name: name.slice(0, 60) }), 200);
  }
  for (const avatar of URLS) assert.equal(await world.postAs('passed', 'with a picture', { name: 'p', avatar }), avatar.startsWith('https:') ? 200 : 400);
  assert.equal(await world.postAs('passed', 'the last', { name: 'p' }), 200);
  await page.waitForFunction(() => document.querySelector('#log li:last-child .text')?.textContent === 'the last', null, PATIENCE);
  await quiet(page, asked);
});

test('rooms, addresses and refusals', async (t) => {
  for (const evil of EVIL) {
    const { page, asked } = await open(t, evil);
    await page.waitForFunction(() => document.querySelector('#state').dataset.state !== 'connecting', null, PATIENCE);
    await page.fill('#room', evil);
    await page.press('#room', 'Enter');
    await page.goto(`${world.url}/?room=${encodeURIComponent(`r${evil.replaceAll(/\s/g, '')}`)}#token=${encodeURIComponent(evil)}`);
    await page.waitForFunction(() => document.querySelector('#state').dataset.state !== 'connecting', null, PATIENCE);
    await quiet(page, asked);
    await page.context().close();
  }
});

test('what was kept in the browser', async (t) => {
  const { page, asked } = await open(t, 'kept');
  await connected(page);
  for (const evil of EVIL) {
    await page.evaluate((evil) => {
      localStorage.setItem('barrage', JSON.stringify({ room: evil, rooms: [evil, { x: evil }], nick: evil, color: evil, mode: evil, theme: evil, panel: evil }));
      sessionStorage.setItem('barrage:token', evil);
    }, evil);
    await page.goto(world.url);
    await page.waitForFunction(() => document.querySelector('#state').dataset.state !== 'connecting', null, PATIENCE);
    await quiet(page, asked);
  }
});
