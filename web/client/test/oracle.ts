// What must be true of a room's messages as a client heard them, whatever happened: numbers
// that a writer published in order come in order, each once, and those that are missing are
// in a gap that was told.

import type { Gap, Message, Room } from '../src/index.js';

export class Listener {
  messages: Message[] = [];
  gaps: Gap[] = [];
  private seen = new Set<string>();
  private last = { epoch: '', offset: 0 };
  faults: string[] = [];

  constructor(room: Room<never> | Room<unknown> | Room<number> | Room<string>) {
    (room as Room<unknown>).on('message', (m) => this.hear(m));
    (room as Room<unknown>).on('gap', (g) => this.gaps.push(g));
  }

  private hear(m: Message): void {
    this.messages.push(m);
    if (this.seen.has(m.id)) this.faults.push(`${m.id} twice`);
    this.seen.add(m.id);
    if (m.offset === undefined) return;
    if (m.epoch === this.last.epoch && m.offset <= this.last.offset) this.faults.push(`${m.offset} behind ${this.last.offset}`);
    this.last = { epoch: m.epoch!, offset: m.offset };
  }

  /** What is missing of `all`, ids in the order of the history, or wrong: '' if nothing is. */
  verdict(all: { id: string; epoch?: string; offset?: number }[]): string {
    const lost = all.filter((m) => !this.seen.has(m.id) && !this.gaps.some((g) => g.epoch === m.epoch && (g.from ?? 0) <= m.offset! && m.offset! <= (g.to ?? Infinity)));
    return [...this.faults, ...lost.map((m) => `${m.offset} lost`)].slice(0, 5).join(', ');
  }
}
