// A page that sleeps, or whose network does, in the middle of a flood of comments: when it is
// back it has all of them, in order, and its own neither lost nor twice; over WebSocket and
// over event streams, of which one brings no more than a page of the history, and the gap is
// told. SLEEP_SECONDS is how long it sleeps.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, Proxy, World } from './harness.js';
import { connected, openPage, PATIENCE, say } from './pages.js';

const SECONDS = Number(process.env.SLEEP_SECONDS ?? 2);
const EVERY_MS = 50;
const AT_ONCE = 10; // 200 a second

let world;
let browser;

before(async () => {
  world = await World.start('--history', '*=100000/1h');
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await world?.stop();
});

const sleeps = {
  frozen: async (page, _proxy, during) => {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
    await during();
    await cdp.send('Page.setWebLifecycleState', { state: 'active' });
  },
  'cut off': async (_page, proxy, during) => {
    proxy.refuse = true;
    proxy.cut();
    await during();
    proxy.refuse = false;
  },
  'without a sound': async (_page, proxy, during) => {
    proxy.stall = true;
    await during();
    proxy.stall = false;
    proxy.cut();
  },
};

for (const via of ['WebSocket', 'event streams']) {
  for (const [how, sleep] of Object.entries(sleeps)) {
    test(`${how}, over ${via}`, async (t) => {
      const proxy = await Proxy.start(world.url);
      t.after(() => proxy.stop());
      proxy.noWebSocket = via === 'event streams';
      const room = `sleep-${via.slice(0, 3)}-${how.replaceAll(' ', '-')}`;
      const page = await openPage(t, browser, proxy.url, room);
      await connected(page);
      await page.evaluate(() => {
        window.seen = [];
        const look = (records) => {
          for (const node of records.flatMap(({ addedNodes }) => [...addedNodes])) window.seen.push([node.className, node.querySelector('.text').textContent]);
        };
        new MutationObserver(look).observe(document.querySelector('#log'), { childList: true });
      });
      let sent = 0;
      const flood = async (seconds) => {
        const end = Date.now() + seconds * 1000;
        while (Date.now() < end) {
          await world.postAll(room, Array.from({ length: AT_ONCE }, () => `comment ${sent++}`));
          await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
        }
      };
      await flood(0.3);
      await say(page, 'before');
      await sleep(page, proxy, () => flood(SECONDS));
      await say(page, 'behind');
      await flood(0.3);
      await page.waitForFunction((last) => window.seen.some(([, text]) => text === last), `comment ${sent - 1}`, PATIENCE);
      await page.waitForFunction(() => document.querySelectorAll('#log li.own[data-state="pending"]').length === 0, null, PATIENCE);
      const seen = await page.evaluate(() => window.seen);
      const others = seen.filter(([kind]) => kind === '').map(([, text]) => text);
      const all = Array.from({ length: sent }, (_, i) => `comment ${i}`);
      const gaps = seen.filter(([kind]) => kind === 'note').map(([, text]) => Number(text.match(/[\d,]+/)[0].replaceAll(',', '')));
      const lost = gaps.reduce((sum, n) => sum + n, 0);
      assert.ok(lost === 0 || (via === 'event streams' && SECONDS > 10), `${lost} lost`);
      const had = new Set(others);
      assert.deepEqual(others, all.filter((text) => had.has(text)), 'in order, each once');
      assert.ok(sent - others.length <= lost && lost <= sent - others.length + 2, `${sent - others.length} missing, ${lost} told`);
      assert.deepEqual(seen.filter(([kind]) => kind === 'own').map(([, text]) => text), ['before', 'behind']);
      assert.deepEqual(page.troubles, []);
    });
  }
}
