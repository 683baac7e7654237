// Events with types.

/** Things that have events: `on` returns what ends the listening. */
export class Emitter<Events> {
  private _handlers = new Map<keyof Events, Set<(event: never) => void>>();

  /** Calls `handler` for each event of this type, until the returned function is called. */
  on<K extends keyof Events>(type: K, handler: (event: Events[K]) => void): () => void {
    let set = this._handlers.get(type);
    if (!set) this._handlers.set(type, (set = new Set()));
    set.add(handler);
    return () => this.off(type, handler);
  }

  /** Ends what `on` began. */
  off<K extends keyof Events>(type: K, handler: (event: Events[K]) => void): void {
    this._handlers.get(type)?.delete(handler);
  }

  /** @internal How many listen. */
  _count(type: keyof Events): number {
    return this._handlers.get(type)?.size ?? 0;
  }

  /**
   * @internal Calls all handlers, and reports whether none threw. What one throws is an
   * uncaught error of the page, and stops neither the others nor the client.
   */
  _emit<K extends keyof Events>(type: K, event: Events[K]): boolean {
    let fine = true;
    for (const handler of [...(this._handlers.get(type) ?? [])]) {
      try {
        (handler as (event: Events[K]) => void)(event);
      } catch (error) {
        fine = false;
        setTimeout(() => {
          throw error;
        });
      }
    }
    return fine;
  }
}
