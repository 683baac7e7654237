// The page of the browser tests, and the server it comes from. The page is under
// a strict policy, and its clock is the test's: it stands until it is turned.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

import { chromium } from 'playwright-core';

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' http://127.0.0.1:*; base-uri 'none'; form-action 'none'";

const HTML = `<!doctype html><html lang="en"><meta charset="utf-8"><title>danmaku</title>
<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/style.css">
<div id="stage"></div><script type="module" src="/script.js"></script></html>`;

const STYLE = `html, body { margin: 0; height: 100%; background: #101830; }
#stage { width: 800px; height: 400px; font: 24px/1 "Noto Sans CJK SC", "DejaVu Sans", sans-serif; }`;

const SCRIPT = `import { Danmaku } from '/danmaku.js';
class Clock {
  #now = 0; #next = 0; #frames = new Map();
  now() { return this.#now; }
  frame(callback) { this.#frames.set(++this.#next, callback); return this.#next; }
  cancel(frame) { this.#frames.delete(frame); }
  get wanted() { return this.#frames.size; }
  // turn lets time pass, with a frame every so often; jump lets it pass in none.
  turn(ms, everyMs = 20) {
    for (const end = this.#now + ms; this.#now < end; ) {
      this.#now = Math.min(end, this.#now + everyMs);
      const due = [...this.#frames.values()];
      this.#frames.clear();
      for (const callback of due) callback();
    }
  }
  jump(ms) { this.#now += ms; }
}
// A video, whose time goes with the test's clock.
class Video extends EventTarget {
  #clock; #at = 0; #since = 0; #rate = 1; #paused = true;
  constructor(clock) { super(); this.#clock = clock; }
  get currentTime() { return this.#at + (this.#paused ? 0 : ((this.#clock.now() - this.#since) / 1000) * this.#rate); }
  set currentTime(at) { this.#set(at, 'seeking'); this.dispatchEvent(new Event('seeked')); }
  get playbackRate() { return this.#rate; }
  set playbackRate(rate) { const at = this.currentTime; this.#rate = rate; this.#set(at, 'ratechange'); }
  get paused() { return this.#paused; }
  play() { const at = this.currentTime; this.#paused = false; this.#set(at, 'play'); }
  pause() { const at = this.currentTime; this.#paused = true; this.#set(at, 'pause'); }
  #set(at, event) { this.#at = at; this.#since = this.#clock.now(); this.dispatchEvent(new Event(event)); }
}
window.make = (options = {}) => {
  window.clock = new Clock();
  window.video = options.video ? new Video(clock) : undefined;
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  window.danmaku = new Danmaku(document.querySelector('#stage'), { clock, random, ...options, media: video, storage: options.kept ? localStorage : undefined });
  window.drops = []; window.picks = [];
  danmaku.on('drop', (comment, reason) => drops.push([comment.text, reason]));
  danmaku.on('pick', (pick) => picks.push(pick));
  return danmaku;
};
window.texts = () => danmaku.shown.map(({ comment }) => comment.text);
window.where = (text) => danmaku.shown.find(({ comment }) => comment.text === text);
window.overlaps = () => {
  const boxes = danmaku.shown;
  const over = (a, b) => a.x < b.x + b.width - 0.01 && b.x < a.x + a.width - 0.01 && a.y < b.y + b.height - 0.01 && b.y < a.y + a.height - 0.01;
  return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => over(a, b)).map((b) => [a.comment.text, b.comment.text]));
};
// inked counts pixels that are drawn in a box of the stage.
window.inked = ({ x, y, width, height }, like = () => true) => {
  const canvas = document.querySelector('canvas');
  const { data } = canvas.getContext('2d').getImageData(x, y, width, height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0 && like(data[i], data[i + 1], data[i + 2])) count++;
  return count;
};
window.ready = true;`;

const square = (color) => `<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><rect width="32" height="32" fill="${color}"/></svg>`;

export class Pages {
  #server;
  #browser;
  asked = []; // the paths that were asked for

  static async start() {
    const pages = new Pages();
    const module = await readFile(new URL('../dist/danmaku.mjs', import.meta.url));
    const files = {
      '/': ['text/html', HTML],
      '/style.css': ['text/css', STYLE],
      '/script.js': ['text/javascript', SCRIPT],
      '/danmaku.js': ['text/javascript', module],
      '/icon.svg': ['image/svg+xml', square('#fff')],
      '/emoji/red.svg': ['image/svg+xml', square('#f00')],
      '/emoji/blue.svg': ['image/svg+xml', square('#00f')],
    };
    pages.#server = createServer((request, response) => {
      pages.asked.push(request.url);
      const [type, body] = files[request.url] ?? [];
      response.writeHead(type ? 200 : 404, { 'Content-Type': `${type ?? 'text/plain'}; charset=utf-8`, 'Content-Security-Policy': POLICY }).end(body ?? '');
    }).listen(0, '127.0.0.1');
    await once(pages.#server, 'listening');
    pages.#browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
    return pages;
  }

  get origin() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  // open shows the page; what goes wrong in it is kept in page.troubles.
  async open(t, options = {}) {
    const context = await this.#browser.newContext({ viewport: { width: 800, height: 400 }, ...options });
    t.after(() => context.close());
    const page = await context.newPage();
    page.troubles = [];
    page.on('pageerror', (error) => page.troubles.push(error.message));
    page.on('dialog', (dialog) => page.troubles.push(`a dialog: ${dialog.message()}`) && dialog.dismiss());
    page.on('console', (message) => {
      if (message.type() === 'error') page.troubles.push(message.text());
    });
    page.foreign = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(this.origin)) page.foreign.push(request.url());
    });
    await page.goto(this.origin);
    await page.waitForFunction(() => window.ready);
    return page;
  }

  async stop() {
    await this.#browser?.close();
    this.#server?.close();
  }
}
