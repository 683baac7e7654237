// Sockets of mini programs: a task with callbacks, as wx.connectSocket and
// uni.connectSocket make it.

import type { Connect, Nature, Socket } from './env.js';

/** What `connectSocket` returns. */
export interface SocketTask {
  send(options: { data: string }): void;
  close(options: { code?: number; reason?: string }): void;
  onOpen(f: (event: object) => void): void;
  onMessage(f: (event: { data: unknown }) => void): void;
  onClose(f: (event: { code?: number; reason?: string }) => void): void;
  onError(f: (event: { errMsg?: string }) => void): void;
}

/** The part of `wx`, or `uni`, that is used. */
export interface MiniProgram {
  connectSocket(options: { url: string; protocols: string[]; success(): void; fail(error: { errMsg?: string }): void }): unknown;
  onAppShow?(f: () => void): void;
  offAppShow?(f: () => void): void;
  onNetworkStatusChange?(f: (status: { isConnected: boolean }) => void): void;
  offNetworkStatusChange?(f: (status: { isConnected: boolean }) => void): void;
}

/** @internal The settings of a client in a mini program. */
export function miniProgram(api: MiniProgram): { connect: Connect; watch(on: Nature): () => void; fallback: false } {
  return {
    connect: (url, protocols) => new TaskSocket(api, url, protocols),
    watch: (on) => {
      const show = (): void => on.wake();
      const network = ({ isConnected }: { isConnected: boolean }): void => (isConnected ? on.wake() : on.offline());
      api.onAppShow?.(show);
      api.onNetworkStatusChange?.(network);
      return () => {
        api.offAppShow?.(show);
        api.offNetworkStatusChange?.(network);
      };
    },
    fallback: false, // requests there come as a whole
  };
}

class TaskSocket implements Socket {
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;
  private _task: SocketTask;
  private _over = false;

  constructor(api: MiniProgram, url: string, protocols: string[]) {
    // Without a callback uni.connectSocket returns a promise instead of the task.
    this._task = api.connectSocket({ url, protocols, success() {}, fail: ({ errMsg }) => this._end(1006, errMsg) }) as SocketTask;
    this._task.onMessage(({ data }) => this._over || this.onmessage?.({ data }));
    this._task.onClose(({ code, reason }) => this._end(code, reason));
    // An error while it is opened may be all that comes.
    this._task.onError(({ errMsg }) => this._end(1006, errMsg));
  }

  send(data: string): void {
    this._task.send({ data });
  }

  close(code?: number, reason?: string): void {
    this._over = true;
    this._task.close({ ...(code ? { code } : {}), ...(reason ? { reason } : {}) });
  }

  private _end(code = 1006, reason = ''): void {
    if (this._over) return;
    this._over = true;
    this.onclose?.({ code, reason });
  }
}
