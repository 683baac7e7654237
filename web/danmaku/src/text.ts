// Text of strangers: what may be drawn of it, and in which direction it reads.

// Controls, halves of surrogate pairs, and what formats without being seen, above
// all the marks that turn the direction of text. Kept: white space, dealt with
// next; joiners and tags, which build letters and emoji; the Arabic number signs.
const UNSEEN = /(?![\s\u0085\u200c\u200d\u{e0020}-\u{e007f}\u0600-\u0605\u06dd])[\p{Cc}\p{Cs}\p{Cf}]/gu;
const BLANKS = /[\s\u0085]+/gu;
// No living script stacks more than three marks on a letter; what does would be
// drawn over the lanes above and below.
const PILED_MARKS = /((?:[\p{Mn}\p{Me}][\u200c\u200d\u{e0020}-\u{e007f}]*){2}[\p{Mn}\p{Me}])[\p{Mn}\p{Me}\u200c\u200d\u{e0020}-\u{e007f}]+/gu;
const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;
const UNITS_A_LETTER = 32; // bounds the work on a text of any length

const segmenter = typeof Intl.Segmenter === 'function' ? new Intl.Segmenter() : null;

// cleanText cuts to so many letters as one sees them, so that an emoji of several
// characters stays whole or goes; the last is then an ellipsis.
export function cleanText(text: unknown, max: number): string {
  if (typeof text !== 'string') return '';
  const tidy = text
    .slice(0, max * UNITS_A_LETTER)
    .replace(UNSEEN, '')
    .replace(BLANKS, ' ')
    .normalize('NFC')
    .replace(PILED_MARKS, '$1')
    .trim();
  if (tidy.length <= max) return tidy;
  const letters = segmenter ? Array.from(segmenter.segment(tidy), ({ segment }) => segment) : Array.from(tidy);
  return letters.length <= max ? tidy : `${letters.slice(0, max - 1).join('').trimEnd()}…`;
}

// readsLeft says whether text reads from right to left: its first letter tells.
export function readsLeft(text: string): boolean {
  const first = /\p{L}/u.exec(text);
  return first !== null && RIGHT_TO_LEFT.test(first[0]);
}

// split takes text apart at the names it has pictures for.
export function split(text: string, names: Iterable<string>): string[] {
  const known = Array.from(names).filter((name) => text.includes(name));
  if (known.length === 0) return [text];
  known.sort((a, b) => b.length - a.length);
  const pattern = new RegExp(`(${known.map((name) => name.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|')})`);
  return text.split(pattern).filter((part) => part !== '');
}
