// A model: random things that a user does and that happen to them, against the real server
// over a hostile network, and what must be true of it whatever they were. One seed is one
// run, as far as the timing of sockets lets it be.

import { Barrage, type Message, type OwnMessage, type Room } from '../src/index.js';
import { Listener } from './oracle.js';
import { Proxy } from './proxy.js';
import { type Server, node, until } from './server.js';

/** Numbers from 0 to 1 that a seed decides. */
export function chances(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const DEADLINE_MS = 200_000;

interface Stay {
  room: Room<string>;
  heard: Listener;
  from: { epoch: string; offset: number } | undefined; // where it was joined
  own: OwnMessage<string>[];
}

interface Publish {
  room: string;
  text: string;
  result?: string; // the message's id, or the error's code
  late?: boolean; // the clock jumped over its deadline: whether it was published is not known
}

export interface Outcome {
  reconnects: number;
  published: number;
  heard: number;
  gaps: number;
  faults: string[];
}

export class Storm {
  private chance: () => number;
  private jumped = 0;
  private stays = new Map<string, Stay>();
  private publishes: Publish[] = [];
  private left: Stay[] = [];
  private faults: string[] = [];
  private counts = { heard: 0, published: 0, gaps: 0 };
  private serial = 0;
  private watcher: Barrage;

  private constructor(
    private server: Server,
    private proxy: Proxy,
    private client: Barrage,
    private names: string[],
    seed: number,
  ) {
    this.chance = chances(seed);
    this.watcher = new Barrage(server.url, node);
  }

  /** `connect` opens the client's sockets. */
  static async on(server: Server, seed: number, connect = node.connect!): Promise<Storm> {
    const proxy = await Proxy.to(server.port);
    let storm: Storm | undefined;
    const client = new Barrage(proxy.url, {
      connect,
      fallback: false,
      heartbeat: 250,
      queue: 1000,
      env: { random: () => Math.random() * 0.001, now: () => performance.now() + (storm?.jumped ?? 0), wall: () => Date.now() + (storm?.jumped ?? 0) },
    });
    storm = new Storm(server, proxy, client, ['x', 'y', 'z'].map((n) => `${n}-${seed}`), seed);
    return storm;
  }

  /** Where it meets the hostile network. */
  get url(): string {
    return this.proxy.url;
  }

  /** How often it was connected. */
  get connections(): number {
    return this.proxy.connections;
  }

  /** Does random things until there were so many connections more. */
  async rage(reconnects: number): Promise<void> {
    for (const end = this.proxy.connections + reconnects; this.proxy.connections < end; ) {
      for (let n = this.chance() * 8; n > 0; n--) await this.act();
      this.harm();
      const before = this.proxy.connections;
      await until('it was connected again', () => this.proxy.connections > before);
      if (this.chance() < 0.3) await until('it is open', () => this.client.state === 'open');
    }
  }

  private pick<X>(list: X[]): X {
    return list[Math.floor(this.chance() * list.length)]!;
  }

  private async act(): Promise<void> {
    const name = this.pick(this.names);
    const what = this.chance();
    if (what < 0.25) this.join(name);
    else if (what < 0.32) await this.leave(name);
    else if (what < 0.65) this.publish(name);
    else if (what < 0.95) await this.server.publish(name, `other ${++this.serial}`);
    else this.jumped += this.chance() * 20_000; // the clock jumps: late timers, early deadlines
  }

  private join(name: string): void {
    if (this.stays.has(name)) {
      if (this.client.room(name) !== (this.stays.get(name)!.room as never)) this.faults.push('joined twice');
      return;
    }
    const room = this.client.room<string>(name, { optimistic: true });
    const stay: Stay = { room, heard: new Listener(room), from: undefined, own: [] };
    room.on('joined', () => void Promise.resolve().then(() => (stay.from ??= room.position)));
    room.on('own', (o) => void (stay.own.includes(o) || stay.own.push(o)));
    this.stays.set(name, stay);
  }

  private async leave(name: string): Promise<void> {
    const stay = this.stays.get(name);
    if (!stay) return;
    this.stays.delete(name);
    await stay.room.leave();
    const heard = stay.heard.messages.length;
    this.left.push(stay);
    setTimeout(() => stay.heard.messages.length === heard || this.faults.push('heard after leave()'), 50);
  }

  private publish(name: string): void {
    const room = this.stays.get(name)?.room;
    if (!room) return;
    const p: Publish = { room: name, text: `own ${++this.serial}` };
    this.publishes.push(p);
    const begun = this.jumped;
    room.publish(p.text, { deadline: DEADLINE_MS }).then(
      (ok) => (p.result = ok.message_id),
      (error) => {
        p.result = error.code;
        p.late = error.code === 'timeout' && this.jumped - begun > DEADLINE_MS / 2;
      },
    );
  }

  private harm(): void {
    const what = this.chance();
    const next = this.chance();
    const after = Math.floor(this.chance() * 2_000);
    if (next < 0.5) this.proxy.fates = [next < 0.1 ? { refuse: true } : next < 0.3 ? { down: after } : { up: after, late: this.chance() * 10 }];
    if (what < 0.05) this.proxy.silence();
    else this.proxy.cut();
  }

  /** Lets all come to rest, and compares it with the histories. Then it goes on empty. */
  async settle(): Promise<void> {
    this.proxy.fates = [];
    await until('all publishes are answered', () => this.publishes.every((p) => p.result), 60_000);
    for (const [name, { room, heard }] of this.stays) {
      await until('the room is joined', () => room.state === 'joined', 60_000);
      const text = `last ${++this.serial}`;
      await this.server.publish(name, text);
      await until('the last message came', () => heard.messages.some((m) => m.data === text), 60_000);
    }
    for (const name of this.names) {
      const { messages = [] } = await this.watcher.command<{ messages?: Message[] }>({ cmd: 'history', room: name, limit: 1000 });
      this.judge(name, messages);
    }
    this.counts.published += this.publishes.length;
    this.publishes = [];
    this.left = [];
    for (const name of [...this.stays.keys()]) await this.leave(name);
    this.names = this.names.map((n) => n.replace(/(\+\d+)?$/, `+${this.serial}`));
  }

  private judge(name: string, all: Message[]): void {
    const late = this.publishes.filter((p) => p.late).map((p) => p.text);
    const texts = all.map((m) => m.data).filter((t) => !late.includes(String(t)));
    const sent = this.publishes.filter((p) => p.room === name && all.some((m) => m.id === p.result));
    const failed = this.publishes.filter((p) => p.room === name && !p.late && !sent.includes(p));
    if (failed.length) this.faults.push(`${name}: ${failed.map((p) => p.result).join()} of own messages`);
    const order = texts.filter((t) => String(t).startsWith('own'));
    if (JSON.stringify(order) !== JSON.stringify(sent.map((p) => p.text))) this.faults.push(`${name}: own messages as ${order.join()}, were ${sent.map((p) => p.text).join()}`);
    for (const stay of [this.stays.get(name), ...this.left.filter((s) => s.room.name === name)]) {
      if (!stay) continue;
      this.counts.heard += stay.heard.messages.length;
      this.counts.gaps += stay.heard.gaps.length;
      // What was told as own is told; of a stay that ended only the order counts.
      const told = new Set(stay.own.map((o) => o.published?.message_id));
      const twice = stay.heard.messages.filter((m) => told.has(m.id));
      const due = stay.room.state === 'left' ? [] : all.filter((m) => !told.has(m.id) && stay.from && m.offset! > stay.from.offset);
      const verdict = stay.heard.verdict(due);
      if (verdict || twice.length) this.faults.push(`${name}: ${verdict} ${twice.length} own ones twice`);
    }
  }

  end(): Outcome {
    this.watcher.close();
    this.client.close();
    this.proxy.close();
    return { reconnects: this.proxy.connections, ...this.counts, faults: this.faults };
  }
}
