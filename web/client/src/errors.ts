// Errors that the client and the server give.

/**
 * Why something was refused or came to nothing. `code` is one of docs/protocol.md, a
 * backend's own, or one of the client's: `closed` (by `close()`), `stopped` (the server said
 * not to come back), `disconnected` (the connection broke, and nobody knows how much was
 * done), `timeout`, `queue_full`, `left`.
 */
export class BarrageError extends Error {
  override name = 'BarrageError';

  constructor(
    readonly code: string,
    message: string,
    /** Milliseconds after which the same may work, if it may. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** @internal The error of a reply. */
export function fromReply(e: { code: string; message: string; retry_after?: number }): BarrageError {
  return new BarrageError(e.code, e.message, e.retry_after);
}

/** @internal Reports that the same command is worth another try by itself. */
export function passing({ code, retryAfter }: BarrageError): boolean {
  return /^(rate_limited|overloaded|unavailable)$/.test(code) || (!!retryAfter && code !== 'banned');
}
