// The page for those who do not see it, or use no mouse: axe-core finds nothing serious in
// any of its layouts, and all is reached by keys.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { launchBrowser, World } from './harness.js';
import { connected, openPage, say } from './pages.js';

const AXE = new URL('./node_modules/axe-core/axe.min.js', import.meta.url);

let world;
let browser;
let axe;

before(async () => {
  axe = await readFile(AXE, 'utf8');
  world = await World.start();
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await world?.stop();
});

const LAYOUTS = {
  desktop: { viewport: { width: 1280, height: 720 } },
  tablet: { viewport: { width: 820, height: 1180 }, hasTouch: true },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
};

for (const [layout, options] of Object.entries(LAYOUTS)) {
  for (const theme of ['dark', 'light']) {
    test(`nothing serious: ${layout}, ${theme}`, async (t) => {
      const page = await openPage(t, browser, world.url, `access-${layout}-${theme}`, { ...options, bypassCSP: true });
      await connected(page);
      if (theme === 'light') await page.click('#theme');
      await page.evaluate(axe); // not before: axe's own listeners would be the page's
      for (const text of ['hello', '大家好']) await say(page, text);
      await page.waitForFunction(() => document.querySelectorAll('#log li.own').length === 2);
      await clean(page, 'the page');
      await page.click('#tab-people');
      await clean(page, 'who is here');
      await page.evaluate(() => document.querySelector('#token-dialog').showModal());
      await clean(page, 'the question for a token');
    });
  }
}

async function clean(page, what) {
  const found = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
  const serious = found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
  assert.deepEqual(told, [], what);
}

test('all by keys', async (t) => {
  const page = await openPage(t, browser, world.url, 'keys');
  await connected(page);
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('/');
  await page.keyboard.type('typed c and f');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#log li.own .text')?.textContent === 'typed c and f');
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('c');
  assert.ok(await page.isHidden('#panel'));
  await page.keyboard.press('c');
  assert.ok(await page.isVisible('#panel'));
  await page.focus('#tab-chat');
  await page.keyboard.press('ArrowRight');
  assert.ok(await page.isVisible('#people'));
  const reached = new Set();
  await page.evaluate(() => document.activeElement.blur());
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.dataset.gift || document.activeElement.name || document.activeElement.className));
  }
  for (const id of ['room', 'theme', 'panel-toggle', 'full', 'nick', 'color', 'mode', 'text', 'rocket', 'heart', 'like', 'send', 'tab-people']) {
    assert.ok(reached.has(id), `${id} is not reached: ${[...reached]}`);
  }
  assert.deepEqual(page.troubles, []);
});
