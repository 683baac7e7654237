// What a page hands over, and what of it is drawn. Everything in a comment may
// come from a stranger: text is drawn as letters and never parsed, and colours,
// sizes and addresses are taken only where they are exactly what they should be.

import { allowed } from './images.js';
import type { Mode } from './path.js';
import { cleanText } from './text.js';

export interface Comment {
  text: string;
  nick?: string; // shown before the text
  sender?: string; // who can be muted
  mode?: Mode;
  color?: string; // #rgb or #rrggbb
  size?: 'small' | 'normal' | 'large' | number; // a number multiplies the normal size, 0.5 to 3
  own?: boolean; // the visitor's: marked, and shown whatever the stage is like
  time?: number; // seconds of the video, where there is one
  image?: string; // a picture's address, shown after the text
  emoji?: Record<string, string>; // addresses of pictures for words of the text, such as :wave:
  [more: string]: unknown; // the page's own, given back with events
}

// Clean is a comment as it is drawn.
export interface Clean {
  readonly comment: Comment;
  readonly text: string;
  readonly nick: string;
  readonly sender: string;
  readonly mode: Mode;
  readonly color: string;
  readonly size: number;
  readonly own: boolean;
  readonly image: string;
  readonly emoji: ReadonlyMap<string, string>;
}

export interface Rules {
  readonly allow: readonly string[]; // where pictures may come from
  readonly emoji: Readonly<Record<string, string>>; // those of all comments
  readonly maxText: number; // letters as one sees them
}

export const WHITE = '#ffffff';
const MAX_NICK = 24;
const MAX_EMOJI = 500; // names that are looked at
const MAX_SENDER = 256;
const COLOR = /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i;
const MODES: readonly unknown[] = ['scroll', 'reverse', 'top', 'bottom'];
const SIZES = new Map<unknown, number>([['small', 0.75], ['normal', 1], ['large', 1.5]]);

// cleaned returns null where nothing is left to show.
export function cleaned(comment: Comment, rules: Rules): Clean | null {
  const given: Record<string, unknown> = Object(comment);
  const text = cleanText(given.text, rules.maxText);
  const image = allowed(given.image, rules.allow);
  if (text === '' && image === '') return null;
  return {
    comment,
    text,
    nick: cleanText(given.nick, MAX_NICK),
    sender: typeof given.sender === 'string' ? given.sender.slice(0, MAX_SENDER) : '',
    mode: MODES.includes(given.mode) ? (given.mode as Mode) : 'scroll',
    color: validColor(given.color),
    size: validSize(given.size),
    own: given.own === true,
    image,
    emoji: emojiOf(text, given.emoji, rules),
  };
}

export function validColor(color: unknown): string {
  return typeof color === 'string' && COLOR.test(color) ? color : WHITE;
}

function validSize(size: unknown): number {
  if (typeof size === 'number' && Number.isFinite(size)) return Math.min(3, Math.max(0.5, size));
  return SIZES.get(size) ?? 1;
}

// emojiOf finds the pictures for what is in the text. The comment's own names
// count before those of all.
function emojiOf(text: string, own: unknown, { emoji, allow }: Rules): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const list of [emoji, Object(own) as object]) {
    for (const [name, address] of Object.entries(list).slice(0, MAX_EMOJI)) {
      const url = name !== '' && text.includes(name) ? allowed(address, allow) : '';
      if (url !== '') found.set(name, url);
    }
  }
  return found;
}
