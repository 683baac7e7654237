// What a comment is on the wire, and how a stranger's bytes become text that is
// safe to look at. Nothing here touches the page; the callers put the result
// into it as text, never as markup.

export const MAX_TEXT = 200;
export const MAX_NICK = 24;
export const DEFAULT_COLOR = '#f8fafc';
export const MODES = ['scroll', 'top', 'bottom'];

const COLOR = /^#[0-9a-f]{6}$/i;

// Controls, halves of surrogate pairs, and all that formats without being seen,
// above all the marks that set the direction of text, with which a comment could
// reverse what stands beside it. Kept: blanks, dealt with next; joiners and tags,
// which build letters and emoji; and the Arabic number signs.
const UNSEEN = /(?![\s\u0085\u200c\u200d\u{e0020}-\u{e007f}\u0600-\u0605\u06dd])[\p{Cc}\p{Cs}\p{Cf}]/gu;
// White space of every kind, and line breaks, become one blank.
const BLANKS = /[\s\u0085]+/gu;
// No living script stacks more than three marks on a letter; zalgo does, and
// would hide joiners between the marks.
const PILED_MARKS = /((?:[\p{Mn}\p{Me}][\u200c\u200d\u{e0020}-\u{e007f}]*){2}[\p{Mn}\p{Me}])[\p{Mn}\p{Me}\u200c\u200d\u{e0020}-\u{e007f}]+/gu;

// read turns what was published into a comment, or null where nothing is left to show.
export function read(data) {
  if (data instanceof Uint8Array) return null;
  return parse(typeof data === 'string' ? data : JSON.stringify(data));
}

// parse does so with a text. One that is no comment object is shown as it is, as an
// anonymous comment: anybody may publish plain text to a room.
export function parse(payload) {
  const message = object(payload);
  if (!message || typeof message.text !== 'string') {
    return comment(payload, '', DEFAULT_COLOR, 'scroll');
  }
  const nick = typeof message.nick === 'string' ? clean(message.nick, MAX_NICK) : '';
  const color = typeof message.color === 'string' && COLOR.test(message.color) ? message.color : DEFAULT_COLOR;
  const mode = MODES.includes(message.mode) ? message.mode : 'scroll';
  return comment(message.text, nick, readable(color), mode);
}

// clean cuts text to so many characters (an ellipsis included) and removes what
// is meant to break a layout rather than to be read.
export function clean(text, max) {
  const tidy = text
    .slice(0, max * 32) // bounds the work on a frame of any size
    .replace(UNSEEN, '')
    .replace(BLANKS, ' ')
    .normalize('NFC')
    .replace(PILED_MARKS, '$1')
    .trim();
  const characters = Array.from(tidy);
  if (characters.length <= max) return tidy;
  return `${characters.slice(0, max - 1).join('').trimEnd()}…`;
}

// readable lifts a colour too dark for the night sky towards white.
export function readable(color) {
  const rgb = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
  const light = (0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]) / 255;
  const wanted = 0.5;
  if (light >= wanted) return color.toLowerCase();
  const mix = (wanted - light) / (1 - light);
  return `#${rgb.map((c) => Math.round(c + (255 - c) * mix).toString(16).padStart(2, '0')).join('')}`;
}

function comment(text, nick, color, mode) {
  const shown = clean(text, MAX_TEXT);
  return shown === '' ? null : { text: shown, nick, color, mode };
}

// object is the JSON object of a text, or null.
export function object(payload) {
  if (!payload.trimStart().startsWith('{')) return null;
  try {
    return JSON.parse(payload);
  } catch {
    return null;
  }
}
