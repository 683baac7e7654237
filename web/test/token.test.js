// Tokens where a browser can put them: a cookie, and a subprotocol. The visitor's cookie is
// sent with every request for the server's host, also by a page of another port, which is
// another origin.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { launchBrowser, World } from './harness.js';

const secret = 'a secret of the tests with 32 bytes long';
let world, browser, context, friend, stranger, ours, friends, strangers;

function tokenFor(user) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256' })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

async function serve(html) {
  const server = createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end(html)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const originOf = (server) => `http://127.0.0.1:${server.address().port}`;

before(async () => {
  [friend, stranger] = [await serve('<p>the shop'), await serve('<p>win a prize')];
  const cookie = ['--auth-cookie', 'live', '--allowed-origins', originOf(friend)];
  world = await World.start('--auth-secret', secret, ...cookie, '--ws-paths', '/chat/{room}/{token}/');
  browser = await launchBrowser();
  context = await browser.newContext();
  [ours, friends, strangers] = [await context.newPage(), await context.newPage(), await context.newPage()];
  await ours.goto(`${world.url}/healthz`);
  await friends.goto(originOf(friend));
  await strangers.goto(originOf(stranger));
});

after(async () => {
  friend?.close();
  stranger?.close();
  await browser?.close();
  await world?.stop();
});

// connect has a page open a WebSocket, and returns what became of it: its first message, or
// why it was closed.
function connect(page, path, protocols) {
  return page.evaluate(
    ([url, list]) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, list);
        socket.onmessage = ({ data }) => resolve({ protocol: socket.protocol, first: JSON.parse(data) });
        socket.onclose = ({ code }) => resolve({ code });
        socket.onopen = () => socket.protocol === 'barrage.raw' && resolve({ protocol: socket.protocol });
      }),
    [world.url.replace('http:', 'ws:') + path, protocols],
  );
}

test('a token as a subprotocol', async () => {
  const bearer = `bearer.${tokenFor('ann')}`;
  const { protocol, first } = await connect(ours, '/ws?room=a', ['barrage.v1', bearer]);
  assert.equal(protocol, 'barrage.v1');
  assert.equal(first.push, 'welcome');
  assert.equal(first.user, 'ann');
  assert.deepEqual(await connect(ours, '/ws?room=a', [bearer, 'barrage.raw']), { protocol: 'barrage.raw' });
});

test('a token in the path', async () => {
  const { first } = await connect(ours, `/chat/a/${tokenFor('eve')}/`, ['barrage.v1']);
  assert.equal(first.user, 'eve');
});

test('a cookie is for the own pages, and for nobody else', async () => {
  const without = await connect(ours, '/ws?room=a', ['barrage.raw']);
  assert.equal(without.code, 1006);
  await context.addCookies([{ name: 'live', value: tokenFor('bob'), url: world.url, httpOnly: true }]);
  const { first } = await connect(ours, '/ws?room=a', ['barrage.v1']);
  assert.equal(first.user, 'bob');
  assert.deepEqual(await connect(ours, '/ws?room=a', ['barrage.raw']), { protocol: 'barrage.raw' });
  for (const protocols of [['barrage.v1'], ['barrage.raw']]) {
    const hijacked = await connect(strangers, '/ws?room=a', protocols);
    assert.equal(hijacked.code, 1006, `a page of another origin got ${JSON.stringify(hijacked)}`);
  }
});

// listen has a page open an event stream, and returns the room it got into, or that it did not.
function listen(page, withCredentials) {
  return page.evaluate(
    ([url, credentials]) =>
      new Promise((resolve) => {
        const stream = new EventSource(url, { withCredentials: credentials });
        const end = (what) => {
          stream.close();
          resolve(what);
        };
        stream.addEventListener('joined', ({ data }) => end(JSON.parse(data).room));
        stream.onerror = () => end('refused');
      }),
    [`${world.url}/sse?room=a`, withCredentials],
  );
}

test('a cookie opens event streams of allowed pages', async () => {
  await context.addCookies([{ name: 'live', value: tokenFor('bob'), url: world.url, httpOnly: true }]);
  assert.equal(await listen(ours, false), 'a');
  assert.equal(await listen(friends, true), 'a');
  assert.equal(await listen(friends, false), 'refused'); // it brings no cookie
  assert.equal(await listen(strangers, true), 'refused');
  const posted = await friends.evaluate(async (url) => {
    const body = JSON.stringify({ room: 'a', data: 'x' });
    const answer = await fetch(url, { method: 'POST', credentials: 'include', headers: { 'Content-Type': 'application/json' }, body });
    return answer.status;
  }, `${world.url}/publish`);
  assert.equal(posted, 200);
});

// visit opens the viewer page to a visitor without cookies.
async function visit(t, path) {
  const visitor = await browser.newContext();
  t.after(() => visitor.close());
  const page = await visitor.newPage();
  await page.goto(world.url + path);
  return page;
}

test('the viewer page takes a token from its address, and out of it', async (t) => {
  const page = await visit(t, `/?room=a#token=${tokenFor('ann')}`);
  await page.waitForSelector('#state[data-state="open"]');
  assert.equal(new URL(page.url()).hash, '');
  await page.reload();
  await page.waitForSelector('#state[data-state="open"]');
});

test('the viewer page asks for a token', async (t) => {
  const page = await visit(t, '/?room=a');
  await page.getByLabel('Your token').fill('wrong');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#token-problem:not(:empty)');
  await page.getByLabel('Your token').fill(tokenFor('ann'));
  await page.keyboard.press('Enter');
  await page.waitForSelector('#state[data-state="open"]');
  assert.ok(await page.locator('#token-form').isHidden());
});
