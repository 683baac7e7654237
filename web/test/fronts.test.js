// Event streams in a real browser, through the proxies and the settings of deploy/.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World, launchBrowser } from './harness.js';

let world, browser;

before(async () => {
  const proxied = ['--trusted-proxies=127.0.0.1', '--client-address-header=X-Forwarded-For'];
  world = await World.start(...proxied, '--ping-interval=1s', '--ping-timeout=1s');
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

// The times of both sides are shorter than in deploy/ by the same factor, about: what an idle
// stream says is less than the proxy's patience.
for (const program of ['nginx', 'haproxy']) {
  test(`EventSource through ${program}`, async () => {
    const url = await world.front(program, (text) => {
      assert.match(text, /\b75s/);
      return text.replaceAll(/\b75s/g, '3s');
    });
    const page = await browser.newPage();
    await page.goto(`${url}/healthz`);
    await page.evaluate((room) => {
      window.got = [];
      window.joins = 0;
      const stream = new EventSource(`/sse?room=${room}`);
      stream.onmessage = (e) => window.got.push(JSON.parse(e.data).data);
      stream.addEventListener('joined', () => window.joins++);
    }, program);
    const until = (what) => page.waitForFunction(what, undefined, { timeout: 30_000 });
    await until('window.joins === 1');
    await world.post(program, 'one'); // which would stay in a buffer
    await until('window.got.length === 1');
    await new Promise((resolve) => setTimeout(resolve, 5_000)); // longer than the proxy's patience
    const posted = await page.evaluate(async (room) => {
      const response = await fetch('/publish', { method: 'POST', body: JSON.stringify({ room, data: 'two' }) });
      return response.status;
    }, program);
    assert.equal(posted, 200);
    await until('window.got.length === 2');
    assert.deepEqual(await page.evaluate(() => [window.joins, window.got]), [1, ['one', 'two']], 'the stream broke off meanwhile');
    await page.close();
  });
}
