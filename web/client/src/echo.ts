// The local echo: own messages are shown at once, and never twice.
//
// A message comes back from the server as a push and as the reply to its publish, in either
// order, and only the reply tells of which publish it is. So a push of this client's own
// that comes while a publish of this room is under way (there is one at a time) is kept
// aside until the answer decides. Over event streams a push does not tell whose it is, so
// there all that come meanwhile are.

import type { BarrageError } from './errors.js';
import type { OwnMessage, Published, WireMessage } from './types.js';

const REMEMBERED = 200;

export class Echo<T> {
  private _pending = new Set<OwnMessage<T>>();
  private _doubtful: OwnMessage<T>[] = []; // failed, but may have been published
  private _held = new Map<string, WireMessage>(); // by id: own pushes that no reply has spoken of
  private _sent = new Set<string>(); // ids of which the push may be still to come

  constructor(
    private _tell: (own: OwnMessage<T>) => void,
    private _release: (message: WireMessage) => void,
    private _underWay: () => unknown, // the key of what is sent and not answered
    private _blind: () => boolean, // pushes do not tell whose they are
    private _answered: (id: string) => boolean, // of an earlier stay in the room, too
  ) {}

  begin(own: OwnMessage<T>): void {
    this._pending.add(own);
    this._tell(own);
  }

  end(own: OwnMessage<T>, error: BarrageError | undefined, published: Published): void {
    this._pending.delete(own);
    if (error) {
      own.state = 'failed';
      own.error = error;
      if (error.code === 'timeout') this._doubtful = [...this._doubtful, own].slice(-REMEMBERED);
    } else {
      this._succeed(own, published);
      if (!this._held.delete(published.message_id)) this._remember(published.message_id);
    }
    this._tell(own);
    const rest = [...this._held.values()];
    this._held.clear();
    for (const message of rest) if (!this._doubt(message)) this._release(message);
  }

  /** Reports that a message is one of those begun here, so that it is not told again. */
  claim(message: WireMessage, own: boolean): boolean {
    if (this._sent.delete(message.id)) return true;
    if ((!own && !this._blind()) || this._answered(message.id)) return false;
    const key = this._underWay();
    if ([...this._pending].some((o) => o.key === key)) {
      this._held.set(message.id, message);
      return true;
    }
    return own && this._doubt(message);
  }

  private _doubt(message: WireMessage): boolean {
    const text = JSON.stringify(message.data);
    const own = this._doubtful.find((o) => o.kind === message.kind && JSON.stringify(o.data) === text);
    if (!own) return false;
    this._doubtful = this._doubtful.filter((o) => o !== own);
    const { id: message_id, epoch, offset } = message;
    this._succeed(own, { message_id, ...(epoch ? { epoch } : {}), ...(offset ? { offset } : {}) });
    this._tell(own);
    return true;
  }

  private _succeed(own: OwnMessage<T>, published: Published): void {
    own.state = 'sent';
    own.published = published;
    delete own.error;
  }

  private _remember(id: string): void {
    this._sent.add(id);
    if (this._sent.size > REMEMBERED) for (const oldest of this._sent) return void this._sent.delete(oldest);
  }
}
