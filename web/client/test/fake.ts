// A clock that only a test moves, and sockets of which a test is the other end.

import { Barrage, type Options } from '../src/core.js';
import type { Socket } from '../src/index.js';

export class Clock {
  private time = 0;
  private timers = new Map<number, { at: number; f: () => void }>();
  private last = 0;
  /** What random() gives. */
  chance = 0.5;

  env = {
    now: () => this.time,
    wall: () => 1_700_000_000_000 + this.time,
    random: () => this.chance,
    setTimeout: (f: () => void, ms: number) => {
      this.timers.set(++this.last, { at: this.time + Math.max(0, ms), f });
      return this.last;
    },
    clearTimeout: (id: unknown) => void this.timers.delete(id as number),
  };

  /** How many timers run. */
  get running(): number {
    return this.timers.size;
  }

  /** Lets time pass, and each timer come at its moment. */
  async pass(ms: number): Promise<void> {
    for (const end = this.time + ms; ; ) {
      await settle();
      const [id, next] = [...this.timers].reduce<[number, { at: number; f: () => void } | undefined]>((a, b) => (!a[1] || b[1].at < a[1].at ? b : a), [0, undefined]);
      if (!next || next.at > end) {
        this.time = end;
        return settle();
      }
      this.time = Math.max(this.time, next.at);
      this.timers.delete(id);
      next.f();
    }
  }

  /** Lets time pass in which nothing runs: a machine that sleeps, a tab that is throttled. */
  async jump(ms: number): Promise<void> {
    this.time += ms;
    await this.pass(0);
  }
}

/** Lets promises go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

interface Sent {
  id: number;
  cmd: string;
  [member: string]: unknown;
}

/** The server's end of a connection. */
export class FakeSocket implements Socket {
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;
  sent: Sent[] = [];
  closed = false;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Sent);
  }

  close(): void {
    this.closed = true;
  }

  push(object: object): void {
    this.onmessage?.({ data: JSON.stringify(object) });
  }

  welcome(more: object = {}): void {
    this.push({ push: 'welcome', conn: 'c' + Math.floor(Math.random() * 1e9), time: 1_700_000_000_000, ...more });
  }

  /** The newest command of this kind. */
  last(cmd: string): Sent | undefined {
    return this.sent.filter((c) => c.cmd === cmd).pop();
  }

  /** Answers the newest command of this kind. */
  ok(cmd: string, ok: object = {}): void {
    this.push({ id: this.last(cmd)!.id, ok });
  }

  refuse(cmd: string, code: string, retry_after?: number): void {
    this.push({ id: this.last(cmd)!.id, error: { code, message: code, retry_after } });
  }

  end(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason });
  }
}

export interface Bench {
  clock: Clock;
  sockets: FakeSocket[];
  client: Barrage;
  states: string[];
  /** The newest socket. */
  socket(): FakeSocket;
}

/** A client on fakes, whose first socket is open. */
export async function bench(options: Options = {}): Promise<Bench> {
  const clock = new Clock();
  const sockets: FakeSocket[] = [];
  const client = new Barrage('ws://test/ws', {
    env: clock.env,
    connect: (url, protocols) => {
      const socket = new FakeSocket(url, protocols);
      sockets.push(socket);
      return socket;
    },
    ...options,
  });
  const states: string[] = [];
  client.on('state', (e) => states.push(e.state));
  await settle();
  return { clock, sockets, client, states, socket: () => sockets[sockets.length - 1]! };
}

export const message = (room: string, offset: number, data: unknown = offset, more: object = {}): object => ({
  push: 'message', room, id: `e-${offset}`, epoch: 'e', offset, time: 1, data, ...more,
});
