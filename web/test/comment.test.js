// What strangers send, and what is left of it to show.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { clean, DEFAULT_COLOR, MAX_TEXT, parse, read, readable } from '../page/comment.js';

test('parse', async (t) => {
  const plain = (text) => ({ text, nick: '', color: DEFAULT_COLOR, mode: 'scroll' });
  const cases = [
    ['plain text', 'hello', plain('hello')],
    ['a full comment', '{"nick":"ann","text":"hi","color":"#67e8f9","id":"7"}', { text: 'hi', nick: 'ann', color: '#67e8f9', mode: 'scroll' }],
    ['a place', '{"text":"hi","mode":"top"}', { ...plain('hi'), mode: 'top' }],
    ['a place that is none', '{"text":"hi","mode":"reverse"}', plain('hi')],
    ['only a text', '{"text":"hi"}', plain('hi')],
    ['blanks before the object', ' \n{"text":"hi"}', plain('hi')],
    ['no text', '{"nick":"ann"}', plain('{"nick":"ann"}')],
    ['a text that is no string', '{"text":5}', plain('{"text":5}')],
    ['an array', '["text"]', plain('["text"]')],
    ['a number', '42', plain('42')],
    ['a JSON string', '"hi"', plain('"hi"')],
    ['null', 'null', plain('null')],
    ['cut short', '{"text":"hi"', plain('{"text":"hi"')],
    ['a prototype', '{"__proto__":{"text":"hi"}}', plain('{"__proto__":{"text":"hi"}}')],
    ['fields of wrong types', '{"text":"hi","nick":{},"color":7}', plain('hi')],
    ['a colour that is a function', '{"text":"hi","color":"url(//evil)"}', plain('hi')],
    ['a colour with more behind it', '{"text":"hi","color":"#aabbcc;x"}', plain('hi')],
    ['markup stays text', '<b>hi</b>', plain('<b>hi</b>')],
    ['nothing', '', null],
    ['nothing to see', '{"text":"\\u202e \\u200b"}', null],
  ];
  for (const [name, payload, want] of cases) {
    await t.test(name, () => assert.deepEqual(parse(payload), want));
  }
});

test('clean', async (t) => {
  const cases = [
    ['line breaks and blanks', ' a\n\tb\u2028c \u00a0 d ', 10, 'a b c d'],
    ['control characters', 'a\u0000b\u001bc\u009fd', 10, 'abcd'],
    ['direction overrides and isolates', '\u202eevil\u202c \u2066x\u2069\u200f\u061c', 10, 'evil x'],
    ['half a surrogate pair', 'a\ud800b', 10, 'ab'],
    ['invisible separators', 'a\u00ad\u2060\u200bb', 10, 'ab'],
    ['an emoji built with joiners', '\u{1f469}\u200d\u{1f4bb}', 10, '\u{1f469}\u200d\u{1f4bb}'],
    ['exactly as long as allowed', 'abcde', 5, 'abcde'],
    ['too long', 'abcdef', 5, 'abcd…'],
    ['length in characters, not in code units', '\u{1f600}'.repeat(5), 5, '\u{1f600}'.repeat(5)],
    ['accents are composed', 'e\u0301', 10, '\u00e9'],
    ['zalgo', `z${'\u0335'.repeat(50)}a`, 10, `z${'\u0335'.repeat(3)}a`],
    ['zalgo with joiners between', `z${'\u0335\u200d'.repeat(50)}a`, 10, `z${'\u0335\u200d'.repeat(2)}\u0335a`],
    ['three marks on a letter', 'q\u0335\u0323\u0331', 10, 'q\u0335\u0323\u0331'],
  ];
  for (const [name, text, max, want] of cases) {
    await t.test(name, () => assert.equal(clean(text, max), want));
  }
});

test('clean is bounded and stable for any input', () => {
  const alphabet = ['a', ' ', '\n', '\u0335', '\u202e', '\u200d', '\ud83d', '\ude00', '\u{1f600}', '<', '\ufe0f', '\u3099'];
  let seed = 1;
  const next = (n) => (seed = (seed * 48271) % 2147483647) % n;
  for (let round = 0; round < 2000; round++) {
    const text = Array.from({ length: next(700) }, () => alphabet[next(alphabet.length)]).join('');
    const once = clean(text, MAX_TEXT);
    assert.ok(Array.from(once).length <= MAX_TEXT);
    assert.doesNotMatch(once, /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]|[\p{Mn}\p{Me}]{4}/u);
    assert.equal(clean(once, MAX_TEXT), once);
  }
});

test('a huge payload is cut before any work is done on it', () => {
  const comment = parse('x\u0335'.repeat(5_000_000));
  assert.equal(Array.from(comment.text).length, MAX_TEXT);
});

test('readable', () => {
  assert.equal(readable('#F8FAFC'), '#f8fafc', 'a light colour stays');
  const lifted = readable('#000000');
  assert.match(lifted, /^#[0-9a-f]{6}$/);
  assert.ok(parseInt(lifted.slice(1, 3), 16) >= 0x7f, `black became ${lifted}`);
  assert.equal(readable(lifted.toUpperCase()).length, 7);
});

test('read', () => {
  const comment = { nick: 'ann', text: '"<>\\', color: '#86efac', mode: 'bottom' };
  assert.deepEqual(read(comment), comment);
  assert.deepEqual(read(JSON.stringify(comment)), comment);
  assert.equal(read('plain').text, 'plain');
  assert.equal(read(42).text, '42');
  assert.equal(read(null).text, 'null');
  assert.equal(read(new Uint8Array([65])), null, 'bytes are not for people');
});
