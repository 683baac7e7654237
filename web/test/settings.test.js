// Room names, and settings that a browser may have lost or somebody edited.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { load, roomProblem, save } from '../page/settings.js';

test('roomProblem', async (t) => {
  const good = ['lobby', 'A', '7', 'a_b.c:d@e-f', 'user:ID', `r${'x'.repeat(127)}`, '直播间42', 'émission', '-a', 'a/b', '{x}', 'a\u{1f600}', '直'.repeat(42), '...',
    '❤\ufe0f', '👩\u200d👩\u200d👧', '❤\ufe0f\u200d🔥', 'می\u200cخواهم', '#\ufe0f\u20e3'];
  for (const room of good) await t.test(`accepts ${room.slice(0, 20)}`, () => assert.equal(roomProblem(room), ''));
  const bad = [
    ['', /needs a name/],
    [`r${'x'.repeat(128)}`, /128 bytes/],
    ['直'.repeat(43), /128 bytes/],
    ['@a', /begin/],
    ['\u0301a', /begin/],
    ['..', /begin/],
    ['a b', /blanks/],
    ['a\u3000b', /blanks/],
    ['a*', /contain \*/],
    ['a\n', /blanks/],
    ['a\u200b', /U\+200B/],
    ['a\u202e', /U\+202E/],
    ['\u200da', /U\+200D/],
    ['a\u200d\u200d', /U\+200D/],
    ['❤\ufe0f\ufe0f', /U\+FE0F/],
    ['a\u200d\ufe0f', /U\+FE0F/],
    ['❤\ufe0f\u200c', /U\+200C/],
    ['a\ud800', /U\+D800/],
  ];
  for (const [room, want] of bad) {
    await t.test(`refuses ${JSON.stringify(room).slice(0, 20)}`, () => assert.match(roomProblem(room), want));
  }
});

test('load', async (t) => {
  const kept = { room: 'den', nick: 'ann', color: '#86efac', panel: true };
  const stored = (value) => ({ getItem: () => value });
  const cases = [
    ['kept settings', stored(JSON.stringify(kept)), '', kept],
    ["the address's room comes first", stored(JSON.stringify(kept)), '?room=hall', { ...kept, room: 'hall' }],
    ['a room in another form', stored(null), '?room=e%CC%81', { room: '\u00e9' }],
    ['nothing kept', stored(null), '', { room: 'lobby' }],
    ['not JSON', stored('{'), '', { room: 'lobby' }],
    ['null', stored('null'), '', { room: 'lobby' }],
    ['wrong types', stored('{"room":5,"nick":{},"color":[],"panel":"yes"}'), '', { room: 'lobby', panel: true }],
    ['a nickname too long', stored(`{"nick":"${'n'.repeat(99)}"}`), '', { nick: `${'n'.repeat(23)}…` }],
    ['forbidden storage', { getItem() { throw new Error('denied'); } }, '', { room: 'lobby' }],
  ];
  for (const [name, storage, search, want] of cases) {
    await t.test(name, () => {
      globalThis.localStorage = storage;
      const settings = load(search);
      assert.deepEqual({ ...settings, ...want }, settings);
      assert.equal(typeof settings.color, 'string');
      if (!want.nick) assert.match(settings.nick, /^guest-\d{4}$/);
    });
  }
});

test('save survives storage that is full', () => {
  globalThis.localStorage = { setItem() { throw new Error('full'); } };
  assert.doesNotThrow(() => save({ room: 'lobby' }));
});
