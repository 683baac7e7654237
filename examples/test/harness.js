// The world that the tests of examples run in: an example as `make examples` has built it,
// with all that it starts, on ports of its own, and Chromium. The browser's driver is that of
// web/test, so there is one version of it to keep.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { launchBrowser } from '../../web/test/harness.js';

const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 30_000);

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

export class Example {
  // start starts an example and waits until it says where to look.
  static async start(name, ...flags) {
    const example = new Example();
    example.name = name;
    example.folder = `${root}examples/${name}/`;
    example.child = spawn(`${root}bin/examples/${name}`, ['-port', '0', ...flags], {
      env: { SERVER_BIN: `${root}bin/barrage-test`, ...process.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    example.output = '';
    example.child.stderr.on('data', (chunk) => (example.output += chunk));
    example.child.stdout.on('data', (chunk) => (example.output += chunk));
    process.once('exit', () => example.child.kill('SIGTERM'));
    await until(`${name} is up`, () => {
      assert.equal(example.child.exitCode, null, example.output);
      return /^server .*\n/m.test(example.output);
    });
    const [, page, server, admin, redis] = example.output.match(/open (\S+) [^]*server (\S+) admin (\S+) redis (\S+)/);
    return Object.assign(example, { page, server, admin, redis });
  }

  // stop is Ctrl-C.
  async stop() {
    for (const raw of raws) raw.vanish();
    await (await this.browser)?.close();
    this.child.kill('SIGINT');
    if (this.child.exitCode === null) await once(this.child, 'exit');
    assert.equal(this.child.exitCode, 0, this.output);
  }

  // open shows a page of the example to a new visitor, of whom nothing flies, as that takes
  // what the tests have to share. That nothing goes wrong in it, and
  // nothing is refused by its policy, is seen to by quiet().
  async open(t, path = '/', options = {}) {
    this.browser ??= launchBrowser();
    this.browser = await this.browser;
    const context = await this.browser.newContext({ viewport: { width: 1100, height: 640 }, reducedMotion: 'reduce', ...options });
    t.after(() => context.close());
    return this.tab(context, path);
  }

  // tab is one more page of a visitor.
  async tab(context, path = '/') {
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.troubles = [];
    page.frames = []; // what came by WebSocket
    page.on('pageerror', (error) => page.troubles.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') page.troubles.push(message.text());
    });
    page.on('websocket', (ws) => ws.on('framereceived', ({ payload }) => page.frames.push(String(payload))));
    await page.goto(new URL(path, this.page).href);
    return page;
  }

  // publish is what a back end does.
  publish(room, body, query = '') {
    return this.ask('POST', `/v1/rooms/${encodeURIComponent(room)}/messages?${query}`, body);
  }

  // ask asks the admin address.
  async ask(method, path, body) {
    const json = body !== undefined && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetch(this.admin + path, { method, ...json });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text);
  }

  async metric(name) {
    const text = await (await fetch(`${this.admin}/metrics`)).text();
    return text.split('\n').filter((l) => l.startsWith(name)).reduce((sum, l) => sum + Number(l.split(' ').at(-1)), 0);
  }

  async redisCli(...args) {
    const { stdout } = await run('redis-cli', ['-p', this.redis.split(':')[1], ...args]);
    return stdout.trim();
  }

  // sh runs a script of the example's folder.
  async sh(script, ...args) {
    const { stdout } = await run('sh', [this.folder + script, ...args], { env: { ...process.env, ...this.environ() } });
    return stdout.trim();
  }

  environ() {
    return { REDIS_PORT: this.redis.split(':')[1], SERVER: this.server, ADMIN: this.admin, PAGE: this.page };
  }

  // picture keeps what a page looks like, in bin/examples.
  async picture(page, name = this.name) {
    await page.screenshot({ path: `${root}bin/examples/${name}.png` });
  }
}

// quiet asserts that nothing went wrong in pages that were seen.
export function quiet(...pages) {
  for (const page of pages) assert.deepEqual(page.troubles, []);
}

// until waits until something is so, and returns it.
export async function until(what, done) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await done();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited too long until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const raws = new Set(); // all that were opened: they end with the example

// Raw is a WebSocket by hand, for what no well-behaved client does, or to see the bytes.
export class Raw {
  static async open(server, path, headers = {}) {
    const { hostname, port, host } = new URL(server);
    const raw = new Raw();
    raws.add(raw);
    raw.socket = connect(Number(port), hostname);
    raw.bytes = Buffer.alloc(0);
    raw.socket.on('data', (chunk) => (raw.bytes = Buffer.concat([raw.bytes, chunk]))).on('error', () => {});
    const all = {
      Host: host, Upgrade: 'websocket', Connection: 'Upgrade',
      'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': randomBytes(16).toString('base64'), ...headers,
    };
    raw.socket.write(`GET ${path} HTTP/1.1\r\n${Object.entries(all).map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`);
    await until('the handshake is answered', () => raw.bytes.includes('\r\n\r\n'));
    const end = raw.bytes.indexOf('\r\n\r\n');
    const [status, ...lines] = raw.bytes.subarray(0, end).toString().split('\r\n');
    raw.status = Number(status.split(' ')[1]);
    raw.headers = Object.fromEntries(lines.map((l) => [l.split(':')[0].toLowerCase(), l.slice(l.indexOf(':') + 1).trim()]));
    raw.bytes = raw.bytes.subarray(end + 4);
    return raw;
  }

  // send sends a text of up to 125 bytes.
  send(text) {
    const mask = randomBytes(4);
    const payload = Buffer.from(text).map((b, i) => b ^ mask[i % 4]);
    this.socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload]));
  }

  freeze() {
    this.socket.pause();
  }

  // vanish ends the connection as a crash does, without a close frame.
  vanish() {
    this.socket.resetAndDestroy();
  }
}
