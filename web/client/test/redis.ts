// A redis-server for a test, which can be killed and run again on the same port, empty.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

import { freePorts, until } from './server.js';

export class Redis {
  private child: ChildProcess | undefined;

  private constructor(private port: number) {}

  static async start(): Promise<Redis> {
    const [port] = await freePorts(1);
    const redis = new Redis(port!);
    await redis.run();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async run(): Promise<void> {
    const child = spawn('redis-server', ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', '/tmp'], { stdio: 'ignore' });
    this.child = child;
    process.once('exit', () => child.kill('SIGKILL'));
    await until('Redis answers', async () => (await this.command('PING').catch(() => '')) === '+PONG');
  }

  async stop(): Promise<void> {
    const child = this.child!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  /** Sends a command of one word, and returns the first line of its answer. */
  async command(name: string): Promise<string> {
    const socket = connect(this.port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      socket.write(name + '\r\n');
      const [data] = (await once(socket, 'data')) as [Buffer];
      return data.toString().split('\r\n')[0]!;
    } finally {
      socket.destroy();
    }
  }
}
