// What the visitor chose, kept in the browser, and the room's name from the
// page's address. Storage may be full, forbidden or edited by hand: then the
// defaults hold.

import { clean, DEFAULT_COLOR, MAX_NICK, MODES } from './comment.js';
import { t } from './messages.js';

const KEY = 'barrage';
const DEFAULT_ROOM = 'lobby';
const MAX_ROOM = 128; // bytes of UTF-8
export const MAX_ROOMS = 8;

// Joiners of emoji and words, and selectors of variants, behind a visible character.
const JOINED = /([^\u200c\u200d\ufe0e\ufe0f])(?:[\ufe0e\ufe0f]?\u200d|[\u200c\ufe0e\ufe0f])/gu;

// What a name cannot have beside these: blanks, what shows nothing, and the * of patterns.
// Characters newer than the server's tables it refuses by itself.
const NOT_IN_ROOMS = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800\ufffd*]/u;

export function load(search) {
  const kept = read();
  const string = (name, otherwise) => (typeof kept[name] === 'string' ? kept[name] : otherwise);
  const one = (name, choices) => (choices.includes(kept[name]) ? kept[name] : choices[0]);
  const room = (new URLSearchParams(search).get('room') ?? string('room', DEFAULT_ROOM)).normalize('NFC');
  const others = (Array.isArray(kept.rooms) ? kept.rooms : []).filter((name) => typeof name === 'string' && roomProblem(name) === '');
  return {
    room,
    rooms: [...new Set([...others.slice(0, MAX_ROOMS), room])].slice(-MAX_ROOMS),
    nick: clean(string('nick', guestName()), MAX_NICK),
    color: string('color', DEFAULT_COLOR),
    mode: one('mode', MODES),
    theme: one('theme', ['dark', 'light']),
    panel: kept.panel !== false,
  };
}

export function save(settings) {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // Not kept, then: the page works all the same.
  }
}

// roomProblem says in a sentence what is wrong with a room's name, or nothing.
// The server has the same rule.
export function roomProblem(room) {
  if (room === '') return t('roomEmpty');
  if (new TextEncoder().encode(room).length > MAX_ROOM) return t('roomLong', { most: MAX_ROOM });
  if (/^([@\p{M}]|\.\.?$)/u.test(room)) return t('roomBegin');
  const wrong = room.replace(JOINED, '$1').match(NOT_IN_ROOMS);
  if (!wrong) return '';
  if (/\s/.test(wrong[0])) return t('roomBlanks');
  if (wrong[0] === '*') return t('roomStar');
  return t('roomCharacter', { character: `U+${wrong[0].codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}` });
}

function read() {
  try {
    return Object(JSON.parse(localStorage.getItem(KEY) ?? '{}'));
  } catch {
    return {};
  }
}

function guestName() {
  return `guest-${1000 + Math.floor(Math.random() * 9000)}`;
}
