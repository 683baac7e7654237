// One connection for the tabs of a browser, in Chromium, with the policy that a page has.

import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { Server, until } from './server.js';

const strict = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'";

let server: Server;
let browser: Browser;
let context: BrowserContext;
let problems: string[];

beforeAll(async () => {
  server = await Server.start('--publish-rate', '100000', '--publish-burst', '100000');
  // A page that a test makes up is of no network, which may not speak to a local one.
  const made = '--disable-features=LocalNetworkAccessChecks';
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', made] });
});
beforeEach(async () => {
  problems = [];
  context = await browser.newContext();
  await context.route(/\/tab\.html/, (route) =>
    route.fulfill({ contentType: 'text/html', headers: { 'Content-Security-Policy': new URL(route.request().url()).searchParams.get('csp') ?? strict }, body: '<script type="module" src="/tab.mjs"></script>' }),
  );
  await context.route('**/tab.mjs', (route) =>
    route.fulfill({
      contentType: 'text/javascript',
      body: `import { Barrage } from '/client.mjs';
        import { shared } from '/client-shared.mjs';
        window.heard = {};
        window.client = new Barrage('/ws', { ...shared(), env: { random: () => Math.random() * 0.01 } });
        window.ways = [];
        client.on('state', (e) => e.via && ways.push(e.via));
        window.enter = (name, options) => {
          const room = client.room(name, options);
          if (heard[name]) return room.joined();
          heard[name] = [];
          room.on('message', (m) => heard[name].push(m.data));
          room.on('gap', (g) => heard[name].push(g));
          return room.joined();
        };`,
    }),
  );
});
afterEach(async () => {
  await context.close();
  await until('nobody is connected', async () => (await connections()) === 0);
});
afterAll(async () => {
  await browser.close();
  await server.stop();
});

const connections = async (): Promise<number> => Number(/^barrage_connections (\d+)/m.exec(await (await server.order('GET', '/metrics')).text())![1]);
const members = async (room: string): Promise<number> => {
  const response = await fetch(`http://127.0.0.1:${server.admin}/v1/rooms/${room}`);
  return response.status === 404 ? 0 : ((await response.json()) as { members: number }).members;
};
const heard = (tab: Page, room: string): Promise<unknown[]> => tab.evaluate((r) => (window as never as { heard: Record<string, unknown[]> }).heard[r]!, room);
const enter = (tab: Page, room: string, options = {}): Promise<void> => tab.evaluate(([r, o]) => (window as never as { enter(r: string, o: object): Promise<void> }).enter(r, o), [room, options] as const);
const publish = (tab: Page, room: string, data: string): Promise<void> => tab.evaluate(([r, d]) => (window as never as { client: Client }).client.room(r).publish(d).then(() => {}), [room, data] as const);
interface Client {
  room(name: string): { publish(data: unknown): Promise<unknown>; leave(): Promise<void> };
}

async function open(csp?: string): Promise<Page> {
  const tab = await context.newPage();
  tab.on('console', (m) => m.type() === 'error' && problems.push(m.text()));
  tab.on('pageerror', (e) => problems.push(String(e)));
  await tab.goto(`http://127.0.0.1:${server.port}/tab.html${csp ? '?csp=' + encodeURIComponent(csp) : ''}`);
  await tab.waitForFunction('window.client');
  return tab;
}

test('two tabs have one connection, and each its rooms', async () => {
  const [a, b] = [await open(), await open()];
  await Promise.all([enter(a, 'both'), enter(b, 'both'), enter(a, 'mine')]);
  expect(await connections()).toBe(1);
  await publish(a, 'both', 'one');
  await a.evaluate(() => (window as never as { client: Client }).client.room('both').leave());
  await publish(b, 'both', 'two');
  await until('both were heard', async () => (await heard(b, 'both')).length === 2);
  expect([await heard(a, 'both'), await heard(b, 'both'), await members('both')]).toEqual([['one'], ['one', 'two'], 1]);
  expect(problems).toEqual([]);
});

test.each(['closed', 'gone in a crash'])('a tab that is %s in the middle of a publish', async (how) => {
  const [a, b] = [await open(), await open()];
  await Promise.all([enter(a, 'closing'), enter(b, 'closing'), enter(a, 'mine')]);
  expect([await connections(), await members('mine')]).toEqual([1, 1]);
  await a.evaluate(() => void (window as never as { client: Client }).client.room('closing').publish('last words'));
  await until('it was said', async () => (await heard(b, 'closing')).length);
  if (how === 'closed') await a.close();
  else {
    const cdp = await context.newCDPSession(a);
    cdp.send('Page.crash').catch(() => {}); // nobody answers
    await a.waitForEvent('crash');
  }
  await until('its rooms are left', async () => (await members('mine')) === 0);
  await publish(b, 'closing', 'still here');
  await until('the other one goes on', async () => (await heard(b, 'closing')).length === 2);
  expect([await heard(b, 'closing'), await connections()]).toEqual([['last words', 'still here'], 1]);
});

test('the worker dies: the tabs come back, and miss nothing', async () => {
  const [a, b] = [await open(), await open()];
  await Promise.all([enter(a, 'dying'), enter(b, 'dying')]);
  await publish(a, 'dying', 'one');
  const cdp = await browser.newBrowserCDPSession();
  const { targetInfos } = await cdp.send('Target.getTargets');
  const workers = targetInfos.filter((t) => t.type === 'shared_worker');
  expect(workers).toHaveLength(1);
  await cdp.send('Target.closeTarget', { targetId: workers[0]!.targetId });
  await server.publish('dying', 'two');
  await Promise.all([publish(a, 'dying', 'three'), publish(b, 'dying', 'three')]);
  for (const tab of [a, b]) await until('all was heard', async () => (await heard(tab, 'dying')).length === 4);
  expect(await heard(a, 'dying')).toEqual(['one', 'two', 'three', 'three']);
  expect(await heard(b, 'dying')).toEqual(['one', 'two', 'three', 'three']);
  expect(await connections()).toBe(1);
});

test('where a worker is forbidden each tab has a connection of its own', async () => {
  const csp = "default-src 'none'; script-src 'self'; worker-src 'none'; connect-src 'self'";
  const [a, b] = [await open(csp), await open(csp)];
  await Promise.all([enter(a, 'alone'), enter(b, 'alone')]);
  await publish(a, 'alone', 'one');
  await until('both heard it', async () => (await heard(b, 'alone')).length === 1);
  const ways = (tab: Page): Promise<unknown> => tab.evaluate(() => (window as never as { ways: unknown }).ways);
  expect([await ways(a), await ways(b), await connections()]).toEqual([['websocket'], ['websocket'], 2]);
});
