// A socket that is none: barrage.v1 over an event stream and POST /publish.
//
// It takes the commands that these two can do, and answers others with `unsupported`. All
// rooms are in one stream, which is opened again with the newest positions when a room is
// joined or left. What breaks it ends this socket, and the link comes back as after any cut.

import type { Env, Socket } from './env.js';
import type { Command, Position, Push } from './types.js';

interface Asked {
  id: number;
  since?: Position | undefined;
  messages: Push[];
}

interface Seat {
  position?: Position | undefined;
  asked?: Asked | undefined; // the join that is not answered yet
}

// Joins that are asked for together go into one stream.
const TOGETHER_MS = 10;
// The server writes something at least once in its ping_interval, 50 s by default.
const SILENCE_MS = 120_000;
const REACH_MS = 5_000;

/** Opens an event stream as a socket; `url` is that of the WebSocket. `works` is told of what gets through. */
export function events(env: Env, url: string, token: string, works: () => void): Socket {
  return new EventSocket(env, url, token, works);
}

/** Whether the server answers at all. Pages of other origins may not read what, and need not. */
export async function reach(env: Env, url: string): Promise<boolean> {
  const abort = new AbortController();
  const timer = env.setTimeout(() => abort.abort(), REACH_MS);
  try {
    const { ok, type } = await fetch(address(url, '/healthz'), { mode: 'no-cors', cache: 'no-store', signal: abort.signal });
    return ok || type === 'opaque';
  } catch {
    return false;
  } finally {
    env.clearTimeout(timer);
  }
}

// address is another path of the server whose WebSocket is at `url`.
function address(url: string, path: string): string {
  const [before = '', query = ''] = url.replace(/^ws/, 'http').split('?');
  return before.replace(/\/[^/]*$/, path) + (query ? (path.includes('?') ? '&' : '?') + query : '');
}

class EventSocket implements Socket {
  onopen = null;
  onerror = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  private _rooms = new Map<string, Seat>();
  private _abort: AbortController | undefined;
  private _timer: unknown;
  private _silence: unknown;
  private _bye: Push | undefined;
  private _closed = false;

  constructor(
    private _env: Env,
    private _url: string,
    private _token: string,
    private _works: () => void,
  ) {
    void reach(_env, _url).then((there) => (there ? this._push({ push: 'welcome', conn: '', time: _env.wall() }) : this._end()));
  }

  send(text: string): void {
    const command = JSON.parse(text) as Command & { id: number; room?: string; since?: Position };
    const { id, cmd, room = '' } = command;
    if (cmd === 'join') {
      this._rooms.set(room, { position: command.since, asked: { id, since: command.since, messages: [] } });
      this._later();
    } else if (cmd === 'leave') {
      this._rooms.delete(room);
      this._answer(id, {});
      this._later();
    } else if (cmd === 'publish') void this._publish(id, command);
    else if (cmd === 'ping' && !room) void reach(this._env, this._url).then((there) => there && this._answer(id, {}));
    else this._refuse(id, { code: 'unsupported', message: `${cmd} needs WebSocket, which this network breaks` });
  }

  close(): void {
    this._closed = true;
    this._env.clearTimeout(this._timer);
    this._env.clearTimeout(this._silence);
    this._abort?.abort();
  }

  private _headers(): Record<string, string> {
    return this._token ? { Authorization: 'Bearer ' + this._token } : {};
  }

  private _later(): void {
    this._env.clearTimeout(this._timer);
    this._timer = this._env.setTimeout(() => void this._open(), TOGETHER_MS);
  }

  // _open replaces the stream by one of the present rooms.
  private async _open(): Promise<void> {
    this._abort?.abort();
    if (this._closed || !this._rooms.size) return;
    const abort = (this._abort = new AbortController());
    const rooms = [...this._rooms].map(([name, { position }]) => `room=${encodeURIComponent(name)}&since=${position ? encodeURIComponent(position.epoch + ':' + position.offset) : ''}`);
    try {
      const response = await fetch(address(this._url, '/sse?' + rooms.join('&')), { headers: this._headers(), signal: abort.signal, cache: 'no-store' });
      if (!response.ok) return this._refused(await response.json().catch(() => ({})), abort);
      await this._read(response.body!.getReader(), abort);
    } catch {
      // As where it ends.
    }
    if (abort === this._abort) this._end();
  }

  private async _read(reader: ReadableStreamDefaultReader<Uint8Array>, abort: AbortController): Promise<void> {
    const decoder = new TextDecoder();
    for (let text = ''; ; ) {
      this._env.clearTimeout(this._silence);
      this._silence = this._env.setTimeout(() => abort === this._abort && this._end(), SILENCE_MS);
      const { done, value } = await reader.read();
      if (abort !== this._abort || this._closed) return;
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        const data = /^data: ?(.*)$/m.exec(block);
        if (data) this._event(JSON.parse(data[1]!) as Push);
        if (abort !== this._abort || this._closed) return;
      }
    }
  }

  private _event(push: Push): void {
    this._works();
    if (push.push === 'bye') this._bye = push;
    const seat = this._rooms.get(push.room ?? '');
    if (!seat) return push.room === undefined ? this._push(push) : undefined;
    if (push.push === 'joined') return this._joined(seat, push);
    const { epoch, offset } = push as Partial<Position>;
    if (push.push === 'message' && epoch && offset) seat.position = { epoch, offset };
    if (push.push === 'left') this._rooms.delete(push.room!);
    this._push(push);
  }

  // _joined answers a join. The client holds a position, and takes what was missed as it comes.
  private _joined(seat: Seat, { push: _, ...ok }: Push): void {
    const { epoch, offset } = ok as Partial<Position>;
    const missed = ok['resumed'] || ok['gap'];
    const asked = seat.asked;
    seat.asked = undefined;
    // Until the missed messages came, the position is the old one.
    const gap = ok['gap'] as { epoch: string; to?: number } | undefined;
    if (!missed && epoch !== undefined && offset !== undefined) seat.position = { epoch, offset };
    const { offset: _o, ...rest } = ok;
    if (asked) this._answer(asked.id, missed ? rest : ok);
    else if (gap) this._push({ push: 'gap', room: ok['room'] as string, ...gap });
  }

  private async _publish(id: number, { cmd: _, id: __, ...body }: Command & { id: number }): Promise<void> {
    try {
      const response = await fetch(address(this._url, '/publish'), { method: 'POST', headers: { 'Content-Type': 'application/json', ...this._headers() }, body: JSON.stringify(body) });
      const answer = (await response.json()) as { error?: { code: string; message: string; retry_after?: number } };
      const after = Number(response.headers.get('Retry-After')) * 1000;
      this._works();
      if (!answer.error) this._answer(id, answer);
      else this._refuse(id, { ...answer.error, ...(after ? { retry_after: after } : {}) });
    } catch {
      this._refuse(id, { code: 'unavailable', message: 'the server was not reached' });
    }
  }

  private _refused({ error }: { error?: { code?: string; message?: string } }, abort: AbortController): void {
    if (abort !== this._abort || this._closed) return;
    const code = error?.code ?? '';
    const old = /^token_(expired|not_yet)/.test(code);
    if (old) this._push({ push: 'bye', code: 4101, reason: error?.message, reconnect: true, error: code });
    else if (error && !/^(rate_limited|overloaded|unavailable|too_many_connections|timeout)$/.test(code)) {
      // One room of several may be the cause; the first one to be asked for is told.
      for (const [name, { asked }] of this._rooms) {
        if (!asked) continue;
        this._rooms.delete(name);
        return this._refuse(asked.id, error as { code: string; message: string }), this._later();
      }
    }
    this._end();
  }

  private _answer(id: number, ok: object): void {
    this._push({ id, ok } as never);
  }

  private _refuse(id: number, error: object): void {
    this._push({ id, error } as never);
  }

  private _push(push: Push): void {
    if (!this._closed) this.onmessage?.({ data: JSON.stringify(push) });
  }

  private _end(): void {
    if (this._closed) return;
    this.close();
    const { code = 1006, reason = '' } = (this._bye ?? {}) as { code?: number; reason?: string };
    this.onclose?.({ code, reason });
  }
}
