// Events of the renderer, to which a page listens with on().

import type { Reason } from './air.js';
import type { Comment } from './comment.js';
import type { Settings } from './settings.js';

// Pick is a comment that the visitor clicked on. It stands still until the page
// lets it go, with release, or it is removed.
export interface Pick {
  readonly comment: Comment;
  readonly x: number; // where it is on the stage, in CSS pixels
  readonly y: number;
  readonly width: number;
  readonly height: number;
  release(): void;
  copy(): Promise<boolean>; // puts its text on the clipboard
  report(): void; // tells the listeners of "report"
  mute(): void; // shows nothing more of its sender
}

export interface Events {
  enter: (comment: Comment) => void; // it is on the stage
  drop: (comment: Comment, reason: Reason) => void; // it will not be
  pick: (pick: Pick) => void;
  report: (comment: Comment) => void;
  mute: (sender: string) => void;
  settings: (settings: Settings) => void;
}

export class Emitter {
  readonly #listeners = new Map<keyof Events, Set<(...args: any[]) => void>>();

  // on returns what ends the listening.
  on<Name extends keyof Events>(name: Name, listener: Events[Name]): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, ...args: Parameters<Events[Name]>): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(...args);
  }
}
