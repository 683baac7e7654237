// What the visitor chose, kept in the browser, and the room's name from the
// page's address. Storage may be full, forbidden or edited by hand: then the
// defaults hold.

import { clean, DEFAULT_COLOR, MAX_NICK } from './comment.js';

const KEY = 'barrage';
const DEFAULT_ROOM = 'lobby';
const MAX_ROOM = 128;

export function load(search) {
  const kept = read();
  const string = (name, otherwise) => (typeof kept[name] === 'string' ? kept[name] : otherwise);
  return {
    room: new URLSearchParams(search).get('room') ?? string('room', DEFAULT_ROOM),
    nick: clean(string('nick', guestName()), MAX_NICK),
    color: string('color', DEFAULT_COLOR),
    panel: kept.panel === true,
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
// The server accepts exactly the names that this accepts.
export function roomProblem(room) {
  if (room === '') return 'A room needs a name.';
  if (room.length > MAX_ROOM) return `A room's name has at most ${MAX_ROOM} characters.`;
  if (!/^[A-Za-z0-9]/.test(room)) return "A room's name begins with a letter from A to Z or a digit.";
  const wrong = room.match(/[^A-Za-z0-9_.:@-]/u);
  if (!wrong) return '';
  const shown = /\s/.test(wrong[0]) ? 'blanks' : `“${clean(wrong[0], 2) || 'that character'}”`;
  return `A room's name cannot contain ${shown}: use letters, digits and _ . : @ -`;
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
