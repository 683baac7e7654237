// The real server for a test: SERVER_BIN, by default the one that the build leaves in bin/,
// on free ports of the loopback interface, with its memory for a store.

import { spawn, type ChildProcess } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

import { WebSocket } from 'ws';

import type { Options } from '../src/index.js';

const binary = process.env.SERVER_BIN ?? fileURLToPath(new URL('../../../bin/barrage', import.meta.url));
export const secret = 'a secret for tests that has 32 bytes';

export class Server {
  private child: ChildProcess | undefined;
  private output = '';

  private constructor(
    readonly port: number,
    readonly admin: number,
    private flags: string[],
  ) {}

  static async start(...flags: string[]): Promise<Server> {
    const [port, admin] = await freePorts(2);
    const server = new Server(port!, admin!, flags);
    await server.run();
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  async run(): Promise<void> {
    const child = spawn(binary, ['serve', '--listen', `127.0.0.1:${this.port}`, '--admin', `127.0.0.1:${this.admin}`, ...this.flags]);
    this.child = child;
    process.once('exit', () => child.kill('SIGKILL'));
    const keep = (chunk: Buffer): void => void (this.output = (this.output + chunk.toString()).slice(-4000));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    await until('the server is ready', async () => {
      if (child.exitCode !== null) throw new Error(`the server ended: ${this.output}`);
      return (await fetch(`http://127.0.0.1:${this.admin}/readyz`).catch(() => null))?.status === 200;
    });
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  /** Publishes a text by the admin listener. */
  async publish(room: string, text: string): Promise<{ id: string; epoch?: string; offset?: number; local_only?: boolean }> {
    return (await this.order('POST', `/v1/rooms/${encodeURIComponent(room)}/messages`, text, 'text/plain')).json() as never;
  }

  // On a connection of its own: one that was idle may be closed in the moment of its use.
  async order(method: string, path: string, body = '', type = 'application/json'): Promise<Response> {
    const asked = request({ host: '127.0.0.1', port: this.admin, method, path, agent: false, headers: body ? { 'Content-Type': type } : {} });
    asked.end(body);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const response = new Response(await answer.setEncoding('utf8').toArray().then((parts) => parts.join('')), { status: answer.statusCode! });
    if (response.status >= 300) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return response;
  }
}

/** What Node needs to be given; and quick enough for a test. */
export const node: Options = { connect: (url, protocols) => new WebSocket(url, protocols) as never };

/** A token as an issuer makes it, good for so many seconds. */
export function token(claims: object, seconds = 3600): string {
  const part = (o: object): string => Buffer.from(JSON.stringify(o)).toString('base64url');
  const text = part({ alg: 'HS256', typ: 'JWT' }) + '.' + part({ exp: Math.floor(Date.now() / 1000) + seconds, ...claims });
  return text + '.' + createHmac('sha256', secret).update(text).digest('base64url');
}

/** Waits for a condition, never for a time. */
export async function until(what: string, done: () => unknown, patience = 20_000): Promise<void> {
  for (const end = Date.now() + patience; !(await done()); await new Promise((r) => setTimeout(r, 5))) {
    if (Date.now() > end) throw new Error(`waited too long until ${what}`);
  }
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((s) => once(s, 'listening')));
  const ports = servers.map((s) => (s.address() as { port: number }).port);
  await Promise.all(servers.map((s) => new Promise((r) => s.close(r))));
  return ports;
}
