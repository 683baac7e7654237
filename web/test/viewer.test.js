// The viewer page end to end: real browser, real server, real Redis. No outcome
// depends on how long something takes: what is expected is waited for.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, Proxy, World } from './harness.js';
import { connected, flown, logged, onStage, openPage, PATIENCE, say, texts } from './pages.js';

const MAX_ON_STAGE = 300;
const MAX_LOGGED = 150;

let world, browser;

before(async () => {
  world = await World.start();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

const open = (t, room, options) => openPage(t, browser, world.url, room, options);

async function openConnected(t, room, options) {
  const page = await open(t, room, options);
  await connected(page);
  return page;
}

async function proxied(t) {
  const proxy = await Proxy.start(world.url);
  t.after(() => proxy.stop());
  return proxy;
}

test('the page is served with its headers, to be read and nothing else', async () => {
  for (const [path, type] of [['/', /^text\/html/], ['/?room=x', /^text\/html/], ['/app.js', /^text\/javascript/], ['/style.css', /^text\/css/]]) {
    const [got, head] = [await fetch(world.url + path), await fetch(world.url + path, { method: 'HEAD' })];
    await got.arrayBuffer();
    assert.equal(got.status, 200, path);
    assert.match(got.headers.get('content-type'), type);
    assert.match(got.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self';.* connect-src 'self';/);
    assert.equal(got.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(got.headers.get('referrer-policy'), 'no-referrer');
    assert.equal(head.status, 200);
    // Of the gzip form: fetch asks for it, and hands over what is in it.
    assert.equal(head.headers.get('content-length'), got.headers.get('content-length'), path);
    assert.equal(head.headers.get('etag'), got.headers.get('etag'), path);
    assert.equal((await head.arrayBuffer()).byteLength, 0);
  }
  const posted = await fetch(world.url, { method: 'POST', body: 'x' });
  assert.ok(posted.status >= 400, `POST answered ${posted.status}`);
  assert.equal((await fetch(`${world.url}/web.go`)).status, 404);
});

test('two pages in a room see each other', async (t) => {
  const [ann, bob] = [await openConnected(t, 'two'), await openConnected(t, 'two')];
  await ann.fill('#nick', 'ann');
  await bob.fill('#nick', 'bob');
  const inFlight = [flown(ann, 'ann', 'hello bob'), flown(bob, 'ann', 'hello bob')];
  await say(ann, 'hello bob');
  await Promise.all(inFlight);
  await say(bob, 'hello ann');
  for (const page of [ann, bob]) {
    await logged(page, 'ann', 'hello bob');
    await logged(page, 'bob', 'hello ann');
    assert.deepEqual(page.troubles, []);
  }
  const own = (page) => page.locator('#log li.own .text').allTextContents();
  assert.deepEqual(await own(ann), ['hello bob']);
  assert.deepEqual(await own(bob), ['hello ann']);
});

test('what redis-cli publishes shows on both', async (t) => {
  const pages = [await openConnected(t, 'redis'), await openConnected(t, 'redis')];
  const inFlight = pages.map((page) => flown(page, '', 'from redis-cli'));
  await world.publish('redis', 'from redis-cli');
  await Promise.all(inFlight);
  for (const page of pages) await logged(page, 'anonymous', 'from redis-cli');
});

test('what is posted over HTTP shows', async (t) => {
  const page = await openConnected(t, 'http');
  await world.post('http', 'from a backend');
  await logged(page, 'anonymous', 'from a backend');
  await world.post('http', JSON.stringify({ nick: 'host', text: 'welcome all', color: '#86efac' }));
  await logged(page, 'host', 'welcome all');
});

test('markup is shown as text and nothing of it runs', async (t) => {
  const page = await openConnected(t, 'markup');
  const markup = '<img src=x onerror="window.ran=1"><b>hi</b><script>window.ran=1</script>';
  const nick = '<i onclick=a()>x</i>';
  const inFlight = [flown(page, '', markup), flown(page, nick, markup)];
  await world.publish('markup', markup);
  await world.post('markup', JSON.stringify({ nick, text: markup, color: '#000000;background:url(//x)', id: '<b>' }));
  await Promise.all(inFlight);
  await logged(page, 'anonymous', markup);
  await logged(page, nick, markup);
  assert.equal(await page.locator('#stage :not(div, canvas), #log :not(li, div, span, time)').count(), 0);
  assert.equal(await page.evaluate(() => window.ran), undefined);
  assert.deepEqual(page.troubles, []);
});

test('another room does not see it', async (t) => {
  const [here, there] = [await openConnected(t, 'here'), await openConnected(t, 'there')];
  await say(here, 'only here');
  await here.waitForFunction(() => document.querySelector('#log').textContent.includes('only here'), null, PATIENCE);
  // Rooms have no order between them; what comes last to each shows that both work.
  await world.publish('there', 'only there');
  await logged(there, 'anonymous', 'only there');
  assert.equal(await there.locator('#log li').count(), 1);
  assert.equal(await here.locator('#log li').count(), 1);
});

test('rooms are beside each other: what is unread is counted, one is left', async (t) => {
  const page = await openConnected(t, 'old');
  await world.publish('old', 'in the old room');
  await logged(page, 'anonymous', 'in the old room');
  await page.fill('#room', 'new');
  await page.press('#room', 'Enter');
  await page.waitForURL(/room=new$/);
  await connected(page);
  assert.equal(await page.locator('#log li').count(), 0);
  await world.publish('new', 'in the new room');
  await logged(page, 'anonymous', 'in the new room');
  const tab = (name) => page.locator('#rooms li', { hasText: name });
  for (const text of ['missed', 'missed, too']) await world.post('old', text);
  await tab('old').locator('.badge', { hasText: '2' }).waitFor();
  assert.equal(await page.getAttribute('#rooms .badge:not([hidden])', 'aria-label'), '2 unread');
  assert.ok(!(await texts(page)).includes('missed'));
  await page.reload();
  await connected(page);
  assert.equal(await page.locator('#rooms li').count(), 2, 'both are kept');
  await tab('old').locator('.room').click();
  await logged(page, 'anonymous', 'missed, too');
  assert.equal(new URL(page.url()).searchParams.get('room'), 'old');
  assert.equal(await tab('old').locator('.badge').isHidden(), true);
  await tab('new').locator('.leave').click();
  await world.post('new', 'heard by nobody');
  await world.post('old', 'heard');
  await logged(page, 'anonymous', 'heard');
  assert.equal(await page.locator('#rooms li').count(), 1);
  assert.equal(await page.locator('.leave').isHidden(), true, 'the last one stays');
  assert.deepEqual(page.troubles, []);
});

test('a room name that cannot be is explained', async (t) => {
  const page = await open(t, '@nope');
  assert.match(await page.textContent('#room-problem'), /begin/);
  assert.equal(await page.getAttribute('#state', 'data-state'), 'idle');
  await page.fill('#room', 'fine');
  await page.press('#room', 'Enter');
  await connected(page);
  assert.equal(await page.textContent('#room-problem'), '');
});

test('a room has its name in any script', async (t) => {
  const page = await openConnected(t, '直播间e\u0301');
  assert.equal(new URL(page.url()).searchParams.get('room'), '直播间\u00e9');
  assert.equal(await page.textContent('#rooms .room span'), '直播间\u00e9');
  await world.publish('直播间\u00e9', 'composed');
  await logged(page, 'anonymous', 'composed');
  await world.publish('直播间e\u0301', 'decomposed');
  await logged(page, 'anonymous', 'decomposed');
  await page.waitForFunction(() => document.querySelector('#count').textContent === '1', undefined, PATIENCE);
});

test('the count shows who is here', async (t) => {
  const first = await openConnected(t, 'count');
  const shows = (count) => first.waitForFunction((n) => document.querySelector('#count').textContent === n, count, PATIENCE);
  await shows('1');
  const second = await openConnected(t, 'count');
  await shows('2');
  await second.context().close();
  await shows('1');
});

test('name, colour, position and room are kept', async (t) => {
  const page = await openConnected(t, 'kept');
  await page.fill('#nick', 'dora');
  await page.getByRole('radio', { name: 'Violet' }).check({ force: true });
  await page.getByRole('radio', { name: 'At the top' }).check({ force: true });
  await page.goto(`${world.url}/`);
  await connected(page);
  assert.equal(await page.inputValue('#nick'), 'dora');
  assert.equal(await page.textContent('#rooms [aria-current="true"]'), 'kept');
  assert.ok(await page.getByRole('radio', { name: 'At the top' }).isChecked());
  assert.ok(await page.getByRole('radio', { name: 'Violet' }).isChecked());
});

test('a visitor who sends too fast is told so, and loses nothing', async (t) => {
  const page = await openConnected(t, 'fast');
  // In one task of the page, in which hardly any time passes.
  const sent = await page.evaluate(() => {
    const { text } = document.querySelector('#composer');
    let sent = 0;
    for (; sent < 200; sent++) {
      text.value = `fast ${sent}`;
      text.form.requestSubmit();
      if (text.value !== '') break;
    }
    return sent;
  });
  assert.ok(sent >= 10 && sent < 200, `${sent} were sent`);
  assert.match(await page.textContent('#hint'), /slow down/i);
  assert.equal(await page.inputValue('#text'), `fast ${sent}`);
  await page.waitForFunction((n) => document.querySelectorAll('#log li.own').length === n, sent, PATIENCE);
});

test('fifty comments a second: all arrive, the page stays small', async (t) => {
  const page = await openConnected(t, 'burst');
  await world.publish('burst', 'first');
  await logged(page, 'anonymous', 'first');
  const said = Array.from({ length: 200 }, (_, i) => `comment ${i}`);
  await world.burst('burst', said, 20);
  // The list's own count of all, "first" included.
  await page.waitForFunction((n) => document.querySelector('#total').textContent === n, '201', PATIENCE);
  assert.deepEqual(await texts(page), said.slice(-MAX_LOGGED), 'the latest, in order');
  assert.ok((await onStage(page)) <= MAX_ON_STAGE);
  assert.ok((await page.locator('*').count()) < 9 * MAX_LOGGED + 240);
  assert.deepEqual(page.troubles, []);
});

test('a thousand at once stay within the cap', async (t) => {
  const page = await openConnected(t, 'flood');
  await world.publish('flood', 'first');
  await world.burst('flood', Array.from({ length: 1000 }, (_, i) => `flood ${i}`), 0);
  await logged(page, 'anonymous', 'flood 999');
  assert.ok((await onStage(page)) <= MAX_ON_STAGE);
  assert.equal(await page.locator('#log li').count(), MAX_LOGGED);
});

test('a server that says stay away is obeyed until the visitor acts', async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  let connections = 0;
  await page.routeWebSocket(/\/ws\?/, (socket) => {
    connections++;
    const bye = { code: 4200, reason: 'you were banned\u202e' };
    socket.send(JSON.stringify({ push: 'bye', ...bye, reconnect: false }));
    socket.close(bye);
  });
  await page.goto(`${world.url}/?room=banned`);
  await page.waitForSelector('#state[data-state="stopped"]');
  assert.equal(await page.textContent('#state-text'), 'disconnected: you were banned');
  assert.equal(connections, 1);
  await page.click('#reconnect');
  await page.waitForFunction(() => document.querySelector('#state').dataset.state === 'stopped', null, PATIENCE);
  assert.equal(connections, 2);
});

test('a page is told why barrage.v1 does not let it in, but not for ever', async (t) => {
  const page = await openConnected(t, 'told');
  const attempt = () =>
    page.evaluate(
      () =>
        new Promise((resolve) => {
          const pushes = [];
          const socket = new WebSocket(`ws://${location.host}/ws?room=no%20spaces`, 'barrage.v1');
          socket.onmessage = ({ data }) => pushes.push(JSON.parse(data));
          socket.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean, pushes });
        }),
    );
  let told = 0;
  let last = await attempt();
  for (; last.code !== 1006; last = await attempt()) {
    const { code, reason, wasClean, pushes } = last;
    assert.deepEqual({ code, wasClean }, { code: 4203, wasClean: true });
    assert.match(reason, /^room name has U\+0020/);
    assert.deepEqual(pushes, [{ push: 'bye', code, reason, reconnect: false, error: 'bad_room' }]);
    told++;
  }
  assert.ok(told >= 10 && told % 10 === 0, `told ${told} times, ten a minute`);
  assert.deepEqual(last.pushes, []);
});

test('codes that say come back are followed', async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const codes = [4000, 4099, 4103, 1012];
  await page.routeWebSocket(/\/ws\?/, (socket) => {
    if (codes.length === 0) socket.connectToServer();
    else {
      socket.send('{"push":"welcome","conn":"x","time":1}');
      socket.close({ code: codes.shift() });
    }
  });
  await page.goto(`${world.url}/?room=back`);
  await connected(page);
  assert.deepEqual(codes, []);
});

test('who comes later sees what was said before', async (t) => {
  await world.post('before', 'the first');
  await world.post('before', 'the second');
  const page = await openConnected(t, 'before');
  await logged(page, 'anonymous', 'the second');
  assert.deepEqual(await texts(page), ['the first', 'the second']);
  assert.equal(await onStage(page), 0, 'it is not as if it was said now');
});

test('cuts in the middle lose no comment and double none, for the one cut and the others', async (t) => {
  const proxy = await proxied(t);
  const [ann, bob] = [await openConnected(t, 'cuts', { url: proxy.url }), await openConnected(t, 'cuts')];
  const posted = [];
  const said = [];
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 20; i++) {
      posted.push(`comment ${round}.${i}`);
      await world.post('cuts', posted.at(-1));
      if (i === 7 || i === 9) {
        said.push(`mine ${round}.${i}`);
        await say(ann, said.at(-1));
      }
      if (i === 8) proxy.cut();
    }
    await connected(ann);
  }
  for (const page of [ann, bob]) {
    await page.waitForFunction((n) => Number(document.querySelector('#total').textContent) >= n, posted.length + said.length, PATIENCE);
    await logged(page, 'anonymous', posted.at(-1));
    const all = await texts(page);
    assert.deepEqual(all.filter((text) => !said.includes(text)), posted, 'all, in order');
    assert.deepEqual(all.filter((text) => said.includes(text)), said, 'own ones');
  }
  await ann.waitForFunction((n) => document.querySelectorAll('#log li.own[data-state="sent"]').length === n, said.length, PATIENCE);
  assert.deepEqual(ann.troubles, []);
});

test('what cannot be brought back is told', async (t) => {
  const proxy = await proxied(t);
  const page = await openConnected(t, 'gap', { url: proxy.url });
  await world.post('gap', 'seen');
  await logged(page, 'anonymous', 'seen');
  proxy.refuse = true;
  proxy.cut();
  await page.waitForSelector('#state[data-state="waiting"]');
  assert.match(await page.textContent('#state-wait'), /in \d+ s/);
  assert.equal(await page.textContent('#reconnect'), 'Now');
  for (let i = 0; i < 130; i++) await world.post('gap', `meanwhile ${i}`); // the room remembers 100
  proxy.refuse = false;
  await connected(page);
  await logged(page, 'anonymous', 'meanwhile 129');
  assert.deepEqual(await page.locator('#log li.note .text').allTextContents(), ['Up to 30 comments are missing: older than the room remembers.']);
  assert.equal((await texts(page)).length, 101);
});

test('less motion: a plain list and nothing that flies', async (t) => {
  const page = await openConnected(t, 'calm', { reducedMotion: 'reduce' });
  await world.publish('calm', 'easy now');
  await logged(page, 'anonymous', 'easy now');
  assert.ok(await page.locator('#log li').first().isVisible());
  assert.equal(await onStage(page), 0);
});

test('the list is announced, and closes and stays so', async (t) => {
  const page = await openConnected(t, 'list');
  const list = page.getByRole('log', { name: 'Comments' });
  await list.waitFor();
  assert.equal(await page.getAttribute('#scroll', 'aria-live'), 'polite');
  await page.getByRole('button', { name: 'Chat list' }).click();
  assert.equal(await list.count(), 0, 'a list that is not shown');
  await page.reload();
  await connected(page);
  assert.equal(await list.count(), 0);
});

test('a phone: everything within reach, nothing cut off', async (t) => {
  const page = await openConnected(t, 'phone', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await world.publish('phone', 'w'.repeat(200));
  await logged(page, 'anonymous', 'w'.repeat(200));
  const outside = await page.evaluate(() =>
    Array.from(document.querySelectorAll('input:not(#room), button, h1, .here, .state, #panel, #player'))
      .filter((element) => element.checkVisibility())
      .map((element) => ({ what: element.id || element.className, ...element.getBoundingClientRect().toJSON() }))
      .filter(({ left, right, top, bottom }) => left < 0 || right > innerWidth || top < 0 || bottom > innerHeight),
  );
  assert.deepEqual(outside, []);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
});

// The last test: it takes the server away from under all pages.
test('a page reconnects by itself when the server comes back', async (t) => {
  const page = await openConnected(t, 'again');
  await say(page, 'before');
  await page.waitForFunction(() => document.querySelector('#total').textContent === '1', null, PATIENCE);
  await world.killServer();
  await page.waitForSelector('#state:not([data-state="open"])');
  await say(page, 'meanwhile');
  const last = page.locator('#log li').last();
  assert.equal(await last.getAttribute('data-state'), 'pending', 'it is shown, and waits');
  await world.startServer();
  await connected(page);
  await page.waitForSelector('#log li[data-state="sent"]:last-child', { state: 'attached' });
  assert.deepEqual(await texts(page), ['before', 'meanwhile']);
  await page.waitForFunction(() => document.querySelector('#count').textContent === '1', null, PATIENCE);
  assert.deepEqual(page.troubles, []);
});
