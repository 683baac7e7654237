// What flies when there is room, and what happens when there is none.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seeded, source } from './source.mjs';

const { Air } = await source('air');
const { leftAt } = await source('path');

const CONDITIONS = {
  stage: 1000, height: 100, rowPx: 10, flightMs: 5000, standMs: 3000, area: 1, limit: 300, gapPx: 20, overflow: 'drop', still: false,
};

// An air whose comments are as wide as they say, in a stage of five lanes.
function airOf(changes = {}, waiting = 60) {
  const dropped = [];
  const needs = {
    fill: 'top', random: seeded(1), waiting,
    layout: ({ width = 200, height = 20 }) => ({ width, height, parts: [], px: 20, color: '', own: false }),
    dropped: (clean, reason) => dropped.push([clean.text, reason]),
    entered: () => {},
  };
  const air = new Air(needs, { ...CONDITIONS, ...changes });
  return { air, dropped };
}

const comment = (text, more = {}) => ({ text, mode: 'scroll', own: false, sender: '', ...more });
const texts = (air) => air.flights.map(({ clean }) => clean.text);

// run offers a comment every so often, and takes a step for every frame.
function run(air, from, to, everyMs, make) {
  let next = from;
  for (let now = from; now < to; now += 16) {
    for (; next <= now; next += everyMs) air.offer(make(next), now);
    air.step(now);
  }
}

// overlaps counts pairs that are over each other at a time.
function overlaps(air, now) {
  const boxes = air.flights.map(({ path, y, layout }) => ({ left: leftAt(path, now), right: leftAt(path, now) + path.width, top: y, bottom: y + layout.height }));
  let count = 0;
  for (const [i, a] of boxes.entries()) {
    for (const b of boxes.slice(i + 1)) {
      if (a.left < b.right - 1e-6 && b.left < a.right - 1e-6 && a.top < b.bottom - 1e-6 && b.top < a.bottom - 1e-6) count++;
    }
  }
  return count;
}

test('each mode is where it should be', () => {
  const { air } = airOf();
  for (const mode of ['scroll', 'reverse', 'top', 'bottom']) air.offer(comment(mode, { mode }), 0);
  air.step(0);
  const x = (now) => Object.fromEntries(air.flights.map(({ clean, path }) => [clean.text, leftAt(path, now)]));
  assert.deepEqual(x(0), { scroll: 1000, reverse: -200, top: 400, bottom: 400 });
  assert.ok(x(1000).scroll < 900 && x(1000).reverse > -100 && x(1000).top === 400);
  const y = Object.fromEntries(air.flights.map(({ clean, y }) => [clean.text, y]));
  assert.ok(y.top <= 40 && y.bottom === 80, JSON.stringify(y));
  air.step(3001);
  assert.deepEqual(texts(air), ['scroll', 'reverse']);
  air.step(6000);
  assert.deepEqual(texts(air), []);
});

for (const overflow of ['drop', 'shrink', 'overlay']) {
  test(`more than there is room for: ${overflow}`, () => {
    const { air, dropped } = airOf({ overflow });
    const random = seeded(4);
    let over = 0;
    let most = 0;
    const make = (at) => comment(String(at), { width: 60 + random() * 300, mode: ['scroll', 'scroll', 'top'][Math.floor(random() * 3)] });
    for (let now = 0; now < 20_000; now += 500) {
      run(air, now, now + 500, 60, make);
      over += overlaps(air, now + 500);
      most = Math.max(most, air.flights.length);
    }
    if (overflow === 'overlay') assert.ok(over > 0, 'comments lie over others');
    else assert.equal(over, 0, 'no comment touches another');
    assert.ok(overflow === 'overlay' || dropped.length > 50, `${dropped.length} dropped`);
    assert.ok(dropped.every(([, reason]) => reason === 'room'), JSON.stringify(dropped.filter(([, reason]) => reason !== 'room').slice(0, 3)));
    assert.ok(most >= 15, `at most ${most} in the air`);
  });
}

test('shrinking the gap makes room before anything is dropped', () => {
  const shown = {};
  for (const overflow of ['drop', 'shrink']) {
    const { air } = airOf({ overflow, gapPx: 150 });
    run(air, 0, 4000, 50, (at) => comment(String(at)));
    shown[overflow] = air.flights.length;
  }
  assert.ok(shown.shrink > shown.drop * 1.3, JSON.stringify(shown));
});

test('the visitor\'s own is shown whatever there is', () => {
  const { air } = airOf({ limit: 4 });
  for (let i = 0; i < 4; i++) air.offer(comment(`other ${i}`, { mode: 'top', width: 900 }), 0);
  air.step(0);
  air.offer(comment('refused', { mode: 'top' }), 10);
  air.offer(comment('mine', { mode: 'top', own: true }), 10);
  air.step(10);
  assert.deepEqual(texts(air), ['other 1', 'other 2', 'other 3', 'mine']);
});

test('of too many that wait the oldest goes, but not the visitor\'s own', () => {
  const { air, dropped } = airOf({}, 3);
  for (const [text, own] of [['a', true], ['b'], ['c'], ['d'], ['e']]) air.offer(comment(text, { own: own === true }), 0);
  assert.deepEqual(dropped, [['b', 'waiting'], ['c', 'waiting']]);
  air.step(0);
  assert.deepEqual(texts(air), ['a', 'd', 'e']);
});

test('after a sleep nothing takes off at once that is old', () => {
  const { air, dropped } = airOf();
  run(air, 0, 2000, 20, (at) => comment(String(at)));
  for (let i = 0; i < 6000; i++) air.offer(comment(`asleep ${i}`), 2000 + i * 5);
  const waited = dropped.length;
  assert.ok(waited > 5900 && dropped.length < 6100, `${waited}`);
  air.step(62_000);
  assert.deepEqual(texts(air), [], 'what flew has gone and what waited is too old');
  air.offer(comment('awake'), 62_000);
  air.step(62_016);
  assert.deepEqual(texts(air), ['awake']);
});

test('a part of the stage: above for what flies, below for the bottom', () => {
  const { air } = airOf({ area: 0.5, overflow: 'overlay' });
  run(air, 0, 6000, 80, (at) => comment(String(at), { mode: ['scroll', 'top', 'reverse', 'bottom'][(at / 80) % 4], width: 100 }));
  assert.ok(air.flights.length > 10);
  for (const { clean, y, layout } of air.flights) {
    if (clean.mode === 'bottom') assert.ok(y >= 50, `bottom at ${y}`);
    else assert.ok(y + layout.height <= 50, `${clean.mode} at ${y}`);
  }
});

test('where nothing may move comments stand', () => {
  const { air } = airOf({ still: true });
  for (const mode of ['scroll', 'reverse', 'top', 'bottom']) air.offer(comment(mode, { mode }), 0);
  air.step(0);
  assert.deepEqual(air.flights.map(({ path }) => path.v), [0, 0, 0, 0]);
  assert.equal(overlaps(air, 1000), 0);
});

test('another size of the stage', () => {
  const { air } = airOf();
  for (const mode of ['scroll', 'reverse', 'top', 'bottom']) air.offer(comment(mode, { mode }), 0);
  air.step(0);
  air.reshape({ ...CONDITIONS, stage: 500, height: 60 });
  assert.deepEqual(texts(air).sort(), ['reverse', 'scroll', 'top'], 'what is below the stage goes');
  const find = (text) => air.flights.find(({ clean }) => clean.text === text).path;
  assert.equal(find('top').x, 150);
  const { end } = find('reverse');
  assert.ok(Math.abs(leftAt(find('reverse'), end) - 500) < 1e-6, 'what flies right leaves at the new edge');
  run(air, 100, 4000, 50, (at) => comment(String(at)));
  assert.equal(overlaps(air, 4000), 0, 'and what was there is still in the way');
});

test('held comments stand, are in the way, and fly on from there', () => {
  const { air } = airOf();
  air.offer(comment('held'), 0);
  air.step(0);
  const [flight] = air.flights;
  const x = leftAt(flight.path, 2000);
  assert.equal(air.at(x + 10, 5, 2000), flight);
  assert.equal(air.at(x - 10, 5, 2000), null);
  air.hold(flight, 2000);
  run(air, 2000, 9000, 100, (at) => comment(String(at)));
  assert.equal(leftAt(flight.path, 9000), x);
  assert.equal(overlaps(air, 9000), 0);
  air.release(flight, 9000);
  assert.equal(leftAt(flight.path, 9000), x);
  assert.ok(leftAt(flight.path, 9500) < x - 50);
  air.step(14_000);
  assert.ok(!air.flights.includes(flight));
});

test('a refill is what would be there', () => {
  const random = seeded(8);
  const script = Array.from({ length: 400 }, (_, i) => ({ at: i * 150, clean: comment(String(i), { width: 60 + random() * 200 }) }));
  const { air: played } = airOf();
  let next = 0;
  for (let now = 0; now < 30_000; now += 10) {
    for (; next < script.length && script[next].at <= now; next++) played.offer(script[next].clean, now);
    played.step(now);
  }
  const { air: jumped } = airOf();
  jumped.refill(script.filter(({ at }) => at <= 30_000 && at > 30_000 - jumped.reachMs), 30_000);
  assert.ok(jumped.flights.length > 0.8 * played.flights.length, `${jumped.flights.length} instead of ${played.flights.length}`);
  assert.equal(overlaps(jumped, 30_000), 0);
  const begins = jumped.flights.map(({ path }) => path.start);
  assert.ok(Math.min(...begins) < 27_000 && Math.max(...begins) > 29_000, 'all along the stage');
});
