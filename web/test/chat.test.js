// The list beside the stage, gifts, likes and people, with two visitors of a real server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, Proxy, World } from './harness.js';
import { connected, logged, openPage, PATIENCE, say, texts } from './pages.js';

let world, browser;

before(async () => {
  world = await World.start();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

async function visit(t, room, options) {
  const page = await openPage(t, browser, world.url, room, options);
  await connected(page);
  return page;
}

test('a comment has a face, a name and a time', async (t) => {
  const page = await visit(t, 'faces');
  await world.post('faces', JSON.stringify({ nick: 'émile', text: 'bonjour' }));
  await world.post('faces', JSON.stringify({ nick: '👩‍👩‍👧 us', text: 'hello' }));
  await logged(page, '👩‍👩‍👧 us', 'hello');
  assert.deepEqual(await page.locator('#log .avatar').allTextContents(), ['É', '👩‍👩‍👧']);
  const when = await page.getAttribute('#log time', 'datetime');
  assert.ok(Math.abs(Date.now() - Date.parse(when)) < 3_600_000, when);
  assert.match(await page.textContent('#log time'), /^\d\d:\d\d$/);
  assert.deepEqual(page.troubles, []);
});

test('an own comment is pending, fails and is sent again', async (t) => {
  const page = await visit(t, 'again');
  await page.routeWebSocket(/\/ws/, (socket) => {
    const server = socket.connectToServer();
    let refused = false;
    socket.onMessage((text) => {
      const { id, cmd, data } = JSON.parse(text);
      if (cmd !== 'publish' || refused) server.send(text);
      else {
        refused = true;
        setTimeout(() => socket.send(JSON.stringify({ id, error: { code: 'forbidden', message: `not ${data.text}` } })), 500);
      }
    });
  });
  await page.reload();
  await connected(page);
  await say(page, 'this');
  await page.locator('#log li[data-state="pending"] .why', { hasText: 'sending…' }).waitFor();
  await page.locator('#log li[data-state="failed"] .why', { hasText: 'not sent: not this' }).waitFor();
  assert.match(await page.textContent('#hint'), /not sent/);
  await page.getByRole('button', { name: 'Send again' }).click();
  await page.locator('#log li[data-state="sent"]').waitFor();
  assert.deepEqual(await texts(page), ['this']);
  assert.equal(await page.locator('.why:not(:empty)').count(), 0);
  const other = await visit(t, 'again');
  await logged(other, await page.inputValue('#nick'), 'this');
  assert.deepEqual(await texts(other), ['this']);
});

test('while there is no connection, the next try is counted down to, and can be now', async (t) => {
  const proxy = await Proxy.start(world.url);
  t.after(() => proxy.stop());
  const page = await visit(t, 'now', { url: proxy.url });
  proxy.refuse = true;
  proxy.cut();
  const now = page.getByRole('button', { name: 'Now', exact: true });
  // Waits double: sooner or later one is long enough for a hand.
  await page.waitForFunction(() => Number(/\d+/.exec(document.querySelector('#state-wait').textContent)?.[0]) >= 2, null, PATIENCE);
  await now.click();
  proxy.refuse = false;
  await connected(page);
  assert.ok(await page.locator('#reconnect').isHidden());
});

test('gifts and likes reach the others, and what is none does not', async (t) => {
  const [ann, bob] = [await visit(t, 'gifts'), await visit(t, 'gifts')];
  await ann.fill('#nick', 'ann');
  await ann.getByRole('button', { name: 'Give a rocket' }).click();
  await logged(bob, 'ann', '🚀 gives a rocket');
  await bob.locator('#stage', { hasText: 'Rocket' }).waitFor();
  await bob.locator('#rising').evaluate((element) => {
    new MutationObserver(() => (window.rose = true)).observe(element, { childList: true });
  });
  for (let i = 0; i < 3; i++) await ann.getByRole('button', { name: 'Like' }).click();
  await bob.locator('#likes', { hasText: /^[1-3]$/ }).waitFor();
  await bob.waitForFunction(() => window.rose, null, PATIENCE);
  for (const odd of [{ gift: 'constructor' }, { gift: ['rocket'], text: 'a text all the same' }, { likes: 1e9 }, { likes: -1, text: 'one more' }]) {
    await world.post('gifts', JSON.stringify(odd));
  }
  await logged(bob, 'anonymous', 'one more');
  await bob.locator('#likes', { hasText: '23' }).waitFor();
  assert.deepEqual(await texts(bob), ['🚀 gives a rocket', '{"gift":"constructor"}', 'a text all the same', 'one more']);
  for (const page of [ann, bob]) assert.deepEqual(page.troubles, []);
});

test('who is here', async (t) => {
  const page = await visit(t, 'people');
  await page.getByRole('tab', { name: 'People' }).click();
  await page.locator('#people-rest', { hasText: 'Nobody with a name is here. and 1 without a name' }).waitFor();
  await page.keyboard.press('ArrowLeft');
  assert.equal(await page.getByRole('tab', { name: /Chat/ }).getAttribute('aria-selected'), 'true');
  assert.ok(await page.locator('#people').isHidden());
  assert.deepEqual(page.troubles, []);
});
