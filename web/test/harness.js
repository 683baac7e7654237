// The world a browser test runs in: a real redis-server, the real server, and
// Chromium, all on free ports of the loopback interface. SERVER_BIN names the
// server's binary, by default the one that the build leaves in bin/.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { chromium } from 'playwright-core';

const PATIENCE_MS = 30_000;
const binary = process.env.SERVER_BIN ?? fileURLToPath(new URL('../../bin/barrage', import.meta.url));

export class World {
  #directory;
  #ports;
  #settings;
  #server = null;
  #children = new Set();
  #killAll = () => {
    for (const child of this.#children) child.kill(child.ends ?? 'SIGKILL');
  };

  // start takes flags of the server, beside its addresses.
  static async start(...settings) {
    await access(binary).catch(() => {
      throw new Error(`no server at ${binary}: build it, or name another in SERVER_BIN`);
    });
    const world = new World();
    world.#settings = settings;
    process.once('exit', world.#killAll);
    try {
      await world.#start();
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  get url() {
    return `http://127.0.0.1:${this.#ports.listen}`;
  }

  get admin() {
    return `http://127.0.0.1:${this.#ports.admin}`;
  }

  async startServer() {
    const { listen, admin, redis } = this.#ports;
    this.#server = this.#spawn(binary, [
      'serve',
      ...['--listen', `127.0.0.1:${listen}`],
      ...['--admin', `127.0.0.1:${admin}`],
      ...['--redis', `redis://127.0.0.1:${redis}`],
      ...this.#settings,
    ]);
    await poll('the server is ready', async () => {
      if (this.#server.exitCode !== null) throw new Error(`the server ended: ${this.#server.output}`);
      const response = await fetch(`http://127.0.0.1:${admin}/readyz`).catch(() => null);
      return response?.status === 200;
    });
  }

  async killServer() {
    await this.#end(this.#server, 'SIGKILL');
  }

  // publish sends by Redis alone, as any program could. Such messages are not
  // kept for anyone, so it repeats until somebody has subscribed.
  async publish(room, text) {
    await poll('somebody subscribed in Redis', async () => Number(await this.#redis('PUBLISH', `room:${room}`, text)) > 0);
  }

  // burst publishes all texts, one every so many milliseconds.
  async burst(room, texts, everyMs) {
    const client = this.#spawn('redis-cli', ['-p', String(this.#ports.redis)], 'pipe');
    for (const text of texts) {
      client.stdin.write(`PUBLISH room:${room} "${text}"\n`);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    client.stdin.end();
    if (client.exitCode === null) await once(client, 'exit');
  }

  async post(room, body) {
    const url = `http://127.0.0.1:${this.#ports.admin}/v1/rooms/${encodeURIComponent(room)}/messages`;
    const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body });
    if (response.status !== 200) throw new Error(`POST answered ${response.status}: ${await response.text()}`);
  }

  // postAs names a sender, and returns the status.
  async postAs(room, body, sender) {
    const url = `http://127.0.0.1:${this.#ports.admin}/v1/rooms/${encodeURIComponent(room)}/messages?${new URLSearchParams(sender)}`;
    const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body });
    return response.status;
  }

  // postAll posts many, in their order.
  async postAll(room, texts) {
    const url = `http://127.0.0.1:${this.#ports.admin}/v1/rooms/messages`;
    const body = JSON.stringify(texts.map((text) => ({ room, text })));
    const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    const { failed } = await response.json();
    if (response.status !== 200 || failed > 0) throw new Error(`POST answered ${response.status}, ${failed} failed`);
  }

  // front puts nginx or HAProxy before the server, with the settings that deploy/ has for it, as
  // change leaves them, and returns its URL.
  async front(program, change) {
    const { listen, admin } = this.#ports;
    const [port] = await freePorts(1);
    const { sample, main, args } = fronts[program];
    const text = change(await readFile(new URL(`../../deploy/${sample}`, import.meta.url), 'utf8'))
      .replaceAll('0.0.0.0:80', `127.0.0.1:${port}`)
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${listen}`)
      .replaceAll('port 8081', `port ${admin}`);
    const conf = join(this.#directory, sample);
    await writeFile(conf, text);
    await writeFile(`${conf}.main`, main(this.#directory, conf));
    const child = this.#spawn(`/usr/sbin/${program}`, args(this.#directory, conf));
    child.ends = 'SIGTERM'; // its own children would outlive it else
    const url = `http://127.0.0.1:${port}`;
    await poll(`${program} answers`, async () => {
      if (child.exitCode !== null) throw new Error(`${program} ended: ${child.output}`);
      return (await fetch(`${url}/healthz`).catch(() => null))?.status === 200;
    });
    return url;
  }

  async stop() {
    await Promise.all([...this.#children].map((child) => this.#end(child, child.ends ?? 'SIGKILL')));
    process.off('exit', this.#killAll);
    if (this.#directory) await rm(this.#directory, { recursive: true, force: true });
  }

  async #start() {
    this.#directory = await mkdtemp(join(tmpdir(), 'barrage-web-'));
    const [listen, admin, redis] = await freePorts(3);
    this.#ports = { listen, admin, redis };
    const quiet = ['--save', '', '--appendonly', 'no', '--dir', this.#directory];
    this.#spawn('redis-server', ['--port', String(redis), '--bind', '127.0.0.1', ...quiet]);
    await poll('redis answers', async () => (await this.#redis('PING').catch(() => '')) === 'PONG');
    await this.startServer();
  }

  async #redis(...args) {
    const { stdout } = await promisify(execFile)('redis-cli', ['-p', String(this.#ports.redis), ...args]);
    return stdout.trim();
  }

  #spawn(command, args, stdin = 'ignore') {
    const child = spawn(command, args, { stdio: [stdin, 'pipe', 'pipe'] });
    child.output = '';
    const keep = (chunk) => {
      child.output = (child.output + chunk).slice(-4000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#children.add(child);
    const gone = () => this.#children.delete(child);
    child.once('exit', gone).once('error', gone);
    return child;
  }

  async #end(child, signal) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }
}

// fronts are the proxies that World.front knows, and how they are run.
const fronts = {
  nginx: {
    sample: 'nginx.conf',
    main: (dir, conf) => `daemon off; pid ${dir}/nginx.pid; error_log stderr warn; worker_processes 1;
      events { worker_connections 64; }
      http {
        client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fastcgi;
        uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi;
        include ${conf};
      }`,
    args: (dir, conf) => ['-e', 'stderr', '-p', dir, '-c', `${conf}.main`],
  },
  haproxy: { sample: 'haproxy.cfg', main: () => '', args: (dir, conf) => ['-db', '-f', conf] },
};

// Proxy stands before a server, and cuts its connections as a tunnel does a train's.
export class Proxy {
  refuse = false; // who connects now is cut off at once
  noWebSocket = false; // who wants a WebSocket is
  stall = false; // nothing gets through, and nobody is told
  #sockets = new Set();
  #server;

  static async start(url) {
    const proxy = new Proxy();
    const { hostname, port } = new URL(url);
    proxy.#server = createServer((near) => {
      if (proxy.refuse) return near.destroy();
      const far = connect(port, hostname);
      for (const [socket, other] of [[near, far], [far, near]]) {
        proxy.#sockets.add(socket);
        socket.on('error', () => {}).on('close', () => {
          proxy.#sockets.delete(socket);
          other.destroy();
        });
      }
      proxy.#forward(near, far);
      proxy.#forward(far, near);
    }).listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  #forward(from, to) {
    from.on('end', () => to.end());
    from.on('data', (chunk) => {
      if (this.stall) return;
      if (this.noWebSocket && /^upgrade: websocket/im.test(chunk)) return from.destroy();
      if (to.write(chunk)) return;
      from.pause();
      to.once('drain', () => from.resume());
    });
  }

  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  stop() {
    this.#server.close();
    this.cut();
  }
}

export function launchBrowser() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
}

async function poll(what, done) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`waited too long until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// freePorts asks the kernel for ports and gives them back; all at once, so that
// they differ.
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => promisify(server.close.bind(server))()));
  return ports;
}
