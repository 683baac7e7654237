// Event streams in a real browser and in Node: the browser's own EventSource comes back by
// itself, over a restart of the server, and misses nothing.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';

import { EventSource } from 'eventsource';

import { World, launchBrowser } from './harness.js';

let world, browser;

before(async () => {
  world = await World.start();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

test('EventSource resumes over a restart', async () => {
  const page = await browser.newPage();
  await page.goto(`${world.url}/healthz`);
  await page.evaluate(() => {
    window.got = [];
    window.joins = [];
    const stream = new EventSource('/sse?room=news');
    stream.onmessage = (e) => window.got.push(JSON.parse(e.data).data);
    stream.addEventListener('joined', (e) => window.joins.push(JSON.parse(e.data)));
  });
  const until = (f, n) => page.waitForFunction(`window.${f}.length >= ${n}`, undefined, { timeout: 30_000 });
  await until('joins', 1);
  await world.post('news', 'one');
  await until('got', 1);
  await world.killServer();
  await world.startServer();
  await world.post('news', 'two'); // perhaps before it is back
  await until('joins', 2);
  const posted = await page.evaluate(async () => {
    const response = await fetch('/publish', { method: 'POST', body: JSON.stringify({ room: 'news', data: 'three' }) });
    return response.status;
  });
  assert.equal(posted, 200);
  await until('got', 3);
  const { got, joins } = await page.evaluate(() => ({ got: window.got, joins: window.joins }));
  assert.deepEqual(got, ['one', 'two', 'three']);
  assert.equal(joins[1].resumed, true);
  assert.equal(joins[1].gap, undefined);
  await page.close();
});

test('a stream is read by fetch', async () => {
  const response = await fetch(`${world.url}/sse?room=plain`);
  assert.equal(response.status, 200);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const until = async (what) => {
    while (!text.includes(what)) {
      const { value, done } = await reader.read();
      assert.equal(done, false, `it ended before ${what}: ${text}`);
      text += value;
    }
  };
  await until('event: joined\n');
  await world.post('plain', 'to Node');
  await until('"data":"to Node"}\n\n');
  assert.match(text, /^retry: \d+\n\n/);
  await reader.cancel();
});

test("Node's EventSource resumes over a restart", async () => {
  const stream = new EventSource(`${world.url}/sse?room=node`);
  const got = [];
  let joins = 0;
  let wake = () => {};
  const until = async (done) => {
    while (!done()) await new Promise((resolve) => (wake = resolve));
  };
  stream.onmessage = (e) => wake(got.push(JSON.parse(e.data).data));
  stream.addEventListener('joined', () => wake(joins++));
  await until(() => joins === 1);
  await world.post('node', 'one');
  await until(() => got.length === 1);
  await world.killServer();
  await world.startServer();
  await world.post('node', 'two');
  await until(() => got.length === 2);
  assert.deepEqual(got, ['one', 'two']);
  stream.close();
});

test('curl reads a stream', async () => {
  const curl = spawn('curl', ['--silent', '--show-error', '--no-buffer', `${world.url}/sse?room=curl`]);
  let text = '';
  curl.stdout.on('data', (chunk) => (text += chunk));
  const until = async (what) => {
    while (!text.includes(what)) {
      assert.equal(curl.exitCode, null, `it ended before ${what}: ${text}`);
      await Promise.race([once(curl.stdout, 'data'), once(curl, 'exit')]);
    }
  };
  await until('event: joined\n');
  await world.post('curl', 'to curl');
  await until('"data":"to curl"}\n\n');
  curl.kill();
});
