// What strangers put into a comment, field by field, and what is left of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seeded, source } from './source.mjs';

const { cleaned } = await source('comment');
const { allowed } = await source('images');
const { cleanText, readsLeft, split } = await source('text');
const { DEFAULTS, loadSettings, saveSettings, validSettings } = await source('settings');

const rules = { allow: ['https://cdn.example/emoji/'], emoji: { ':wave:': 'https://cdn.example/emoji/wave.png' }, maxText: 50 };
const clean = (comment) => cleaned(comment, rules);

test('fields that are not what they should be are as if they were not there', () => {
  const bad = [null, 7, NaN, {}, [], true, 'javascript:alert(1)', '"><img src=x onerror=alert(1)>', 'red;background:url(//evil)', '__proto__'];
  for (const value of bad) {
    const got = clean({ text: 'hi', mode: value, color: value, size: value, own: value === true ? 1 : value, image: value, emoji: value, time: value });
    assert.equal(got.mode, 'scroll');
    assert.equal(got.color, '#ffffff');
    assert.ok(got.size === 1 || value === 7, `${got.size} of ${value}`);
    assert.equal(got.own, false);
    assert.equal(got.image, '');
    assert.equal(got.emoji.size, 0);
    if (typeof value !== 'string') {
      assert.equal(clean({ text: value }), null);
      assert.deepEqual([clean({ text: 'hi', nick: value, sender: value }).nick, clean({ text: 'hi', sender: value }).sender], ['', '']);
    }
  }
  assert.equal(clean(null), null);
  assert.equal(clean({}), null);
});

test('colours and sizes', () => {
  const color = (value) => clean({ text: 'x', color: value }).color;
  for (const good of ['#abc', '#ABCDEF', '#012345']) assert.equal(color(good), good);
  for (const bad of ['#ab', '#abcd', '#abcdeg', 'red', '#abcdef;', ' #abc', '#abc\n', 'rgb(0,0,0)', 'var(--x)']) assert.equal(color(bad), '#ffffff', bad);
  const size = (value) => clean({ text: 'x', size: value }).size;
  assert.deepEqual(['small', 'normal', 'large', 2, 0, -1, 99, Infinity].map(size), [0.75, 1, 1.5, 2, 0.5, 0.5, 3, 1]);
});

test('pictures come from where the page allows and from nowhere else', () => {
  const allow = ['https://cdn.example/emoji/', 'https://pics.example/one.png', 'http://127.0.0.1:8080/a'];
  for (const good of ['https://cdn.example/emoji/a.png', 'https://cdn.example/emoji/deep/b.gif?v=1', 'https://pics.example/one.png', 'http://127.0.0.1:8080/a/b']) {
    assert.equal(allowed(good, allow), good);
  }
  const bad = [
    'https://cdn.example/other/a.png', 'https://cdn.example/emoji', 'https://cdn.example/emoji/../secret.png', 'https://cdn.example/emoji/%2e%2e/secret.png',
    'https://cdn.example/emoji/..%2fsecret.png', 'https://cdn.example.evil/emoji/a.png', 'https://evil/https://cdn.example/emoji/a.png',
    'https://cdn.example@evil/emoji/a.png', 'https://user:pass@cdn.example/emoji/a.png', 'http://cdn.example/emoji/a.png', '//cdn.example/emoji/a.png',
    'https://cdn.example:444/emoji/a.png', 'https://pics.example/one.png.html', 'http://127.0.0.1:8080/ab', 'javascript:alert(1)', 'data:image/png;base64,AAAA',
    'blob:https://cdn.example/emoji/1', 'file:///etc/passwd', 'java\nscript:alert(1)', '\u0001javascript:alert(1)', 'emoji/a.png', '', 7, null,
    `https://cdn.example/emoji/${'a'.repeat(3000)}`,
  ];
  for (const address of bad) assert.equal(allowed(address, allow), '', String(address));
  assert.equal(allowed('https://cdn.example/emoji/a.png', []), '');
  assert.equal(allowed('https://cdn.example/emoji/a.png', ['']), '', 'an empty prefix allows nothing');
});

test('words become pictures, the comment\'s own before those of all', () => {
  const own = { ':cat:': 'https://cdn.example/emoji/cat.png', ':evil:': 'https://evil/x.png', '': 'https://cdn.example/emoji/x.png', ':wave:': 'https://cdn.example/emoji/mine.png' };
  const { emoji } = clean({ text: 'a :cat: :wave: :evil:', emoji: own });
  assert.deepEqual([...emoji], [[':wave:', 'https://cdn.example/emoji/mine.png'], [':cat:', 'https://cdn.example/emoji/cat.png']]);
  assert.deepEqual(split('hi :cat::cat: (.*) :wave:x', [':cat:', '(.*)', ':wave:']), ['hi ', ':cat:', ':cat:', ' ', '(.*)', ' ', ':wave:', 'x']);
  assert.deepEqual(split('aab', ['a', 'aa']), ['aa', 'b'], 'the longest name counts');
  assert.deepEqual(split('nothing', ['x']), ['nothing']);
});

test('text', () => {
  const cases = [
    ['blanks and line breaks', ' a\n\tb\u2028c \u00a0 d ', 10, 'a b c d'],
    ['controls', 'a\u0000b\u001bc\u009fd', 10, 'abcd'],
    ['marks that turn the direction', '\u202eevil\u202c \u2066x\u2069\u200f\u061c', 10, 'evil x'],
    ['half a pair', 'a\ud800b', 10, 'ab'],
    ['zalgo', `z${'\u0335'.repeat(50)}a`, 10, `z${'\u0335'.repeat(3)}a`],
    ['an emoji with a skin and a job', '👩🏽‍💻', 1, '👩🏽‍💻'],
    ['a family is one letter, and stays whole or goes', '👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦', 2, '👨‍👩‍👧‍👦…'],
    ['flags', '🇨🇿🇯🇵🇨🇳', 3, '🇨🇿🇯🇵🇨🇳'],
    ['Chinese', '弹幕弹幕', 3, '弹幕…'],
    ['Arabic', 'مرحبا بالعالم', 20, 'مرحبا بالعالم'],
    ['markup stays text', '<b>hi</b>', 20, '<b>hi</b>'],
    ['no text', 7, 10, ''],
  ];
  for (const [name, text, max, want] of cases) assert.equal(cleanText(text, max), want, name);
});

test('text is bounded and stable whatever comes', () => {
  const parts = ['a', ' ', '\n', '\u0335', '\u202e', '\u200d', '\ud83d', '\ude00', '😀', '<', '\ufe0f', 'ם', '漢'];
  const random = seeded(3);
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: random() * 300 }, () => parts[Math.floor(random() * parts.length)]).join('');
    const once = cleanText(text, 40);
    assert.ok([...new Intl.Segmenter().segment(once)].length <= 40);
    assert.doesNotMatch(once, /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]|[\p{Mn}\p{Me}]{4}/u);
    assert.equal(cleanText(once, 40), once);
  }
  const begun = process.cpuUsage().user;
  cleanText('x\u0335'.repeat(5_000_000), 200);
  assert.ok(process.cpuUsage(  ).user - begun < 1e6, 'work on a huge text is bounded');
});

test('the first letter says which way a text reads', () => {
  for (const text of ['مرحبا', '123 שלום', '🙂 سلام hello']) assert.ok(readsLeft(text), text);
  for (const text of ['hello سلام', '弹幕', '123', '🙂', '']) assert.ok(!readsLeft(text), text);
});

test('settings: only what is valid, within its bounds', () => {
  assert.deepEqual(validSettings({ opacity: 5, density: -1, area: 0.5, fontSize: '2', speed: NaN, overflow: 'explode', more: 1 }, DEFAULTS),
    { opacity: 1, density: 0.05, area: 0.5, fontSize: 1, speed: 1, overflow: 'shrink' });
  for (const odd of [null, 7, 'x', [], undefined]) assert.deepEqual(validSettings(odd, DEFAULTS), { ...DEFAULTS });
  const kept = new Map();
  const store = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  saveSettings(store, 'k', validSettings({ area: 0.25 }, DEFAULTS));
  assert.equal(loadSettings(store, 'k').area, 0.25);
  kept.set('k', '{broken');
  assert.deepEqual(loadSettings(store, 'k'), {});
  const refuses = { getItem: () => { throw new Error('no'); }, setItem: () => { throw new Error('full'); } };
  assert.deepEqual(loadSettings(refuses, 'k'), {});
  saveSettings(refuses, 'k', DEFAULTS);
});
