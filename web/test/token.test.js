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
let world, browser, context, stranger, ours, strangers;

function tokenFor(user) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256' })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

before(async () => {
  world = await World.start('--auth-secret', secret, '--auth-cookie', 'live', '--ws-paths', '/chat/{room}/{token}/');
  browser = await launchBrowser();
  context = await browser.newContext();
  stranger = createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end('<p>win a prize')).listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  [ours, strangers] = [await context.newPage(), await context.newPage()];
  await ours.goto(`${world.url}/healthz`);
  await strangers.goto(`http://127.0.0.1:${stranger.address().port}/`);
});

after(async () => {
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
