// A hostile network between a client and the server: it cuts after any number of bytes, in
// either direction, also in the middle of a frame; delays; goes silent without closing; and
// lets what was under way from a client arrive when its next connection is there already.

import { once } from 'node:events';
import { createServer, connect, type Server, type Socket } from 'node:net';

export interface Fate {
  /** Cut when so many bytes came from the server. */
  down?: number;
  /** Cut when so many bytes came from the client. */
  up?: number;
  /** Silence instead of a cut: both ends stay open. */
  silent?: boolean;
  /** What the client sent last arrives so many milliseconds late, although it is gone. */
  late?: number;
  /** Nothing gets through at all: the connection is cut at once. */
  refuse?: boolean;
}

export class Proxy {
  /** What the next connections meet, in order; after that they are let be. */
  fates: Fate[] = [];
  /** How many there were. */
  connections = 0;
  /** Bytes from the server on the connection that was opened last, and to it. */
  down = 0;
  up = 0;
  private live = new Set<Socket>();
  private server: Server;

  private constructor(private port: number) {
    this.server = createServer((client) => this.join(client));
  }

  static async to(port: number): Promise<Proxy> {
    const proxy = new Proxy(port);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as { port: number }).port}/ws`;
  }

  /** Further connections go to another server. */
  redirect(port: number): void {
    this.port = port;
  }

  /** Cuts what is open. */
  cut(): void {
    for (const socket of this.live) socket.destroy();
  }

  /** What is open stays so, and nothing comes through any more. */
  silence(): void {
    for (const socket of this.live) socket.removeAllListeners('data').resume();
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  private join(client: Socket): void {
    const fate = this.fates.shift() ?? {};
    this.connections++;
    this.down = this.up = 0;
    if (fate.refuse) return void client.destroy();
    const server = connect(this.port, '127.0.0.1');
    for (const s of [client, server]) {
      s.setNoDelay(true);
      this.live.add(s);
      s.on('error', () => s.destroy()).on('close', () => this.live.delete(s));
    }
    const me = { down: 0, up: 0 };
    const end = (): void => {
      if (fate.silent) return void (client.removeAllListeners('data'), server.removeAllListeners('data'), client.resume(), server.resume());
      client.destroy();
      if (fate.late) setTimeout(() => server.destroy(), fate.late);
      else server.destroy();
    };
    const pass = (from: Socket, to: Socket, way: 'up' | 'down'): void => {
      const most = fate[way] ?? Infinity;
      from.on('data', (chunk: Buffer) => {
        const rest = most - me[way];
        me[way] += chunk.length;
        this[way] = me[way];
        const part = chunk.length >= rest ? chunk.subarray(0, rest) : chunk;
        if (fate.late && way === 'up') setTimeout(() => to.writable && to.write(part), fate.late);
        else to.write(part);
        if (chunk.length >= rest) end();
      });
      from.on('close', () => {
        if (!fate.silent && !(fate.late && from === client)) to.destroy();
      });
    };
    pass(server, client, 'down');
    pass(client, server, 'up');
  }
}
