// Shared connections without a browser: what a SharedWorker holds, and the tabs' ends of it.

import { host } from '../src/env.js';
import type { Connect, Socket } from '../src/index.js';
import { Line, type Tab } from '../src/line.js';
import { node } from './server.js';

export class Lines {
  private lines = new Map<string, Line>();

  connect: Connect = (url, protocols) => {
    const key = url + protocols.join();
    let line = this.lines.get(key);
    if (!line) {
      const made: Line = new Line(host, node.connect!, url, protocols, () => this.lines.get(key) === made && this.lines.delete(key));
      this.lines.set(key, (line = made));
    }
    return new TabSocket(line);
  };
}

class TabSocket implements Socket {
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;
  private tab: Tab;

  constructor(private line: Line) {
    // As by a port: later, and in order.
    this.tab = {
      post: (message) =>
        setImmediate(() => {
          if (message.open) this.onopen?.({} as never);
          if (message.text !== undefined) this.onmessage?.({ data: message.text });
          if (message.close) this.onclose?.(message.close);
        }),
    };
    line.attach(this.tab);
  }

  send(text: string): void {
    setImmediate(() => this.line.take(this.tab, text));
  }

  close(): void {
    setImmediate(() => this.line.drop(this.tab));
  }
}
