// The lanes against an oracle: where comments really are, looked at many times
// between their beginnings and their ends.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seeded, source } from './source.mjs';

const { Lanes } = await source('lanes');
const { clashMs, pathOf, resumed, stopped } = await source('path');

const STAGE = 1000;
const MODES = ['scroll', 'scroll', 'scroll', 'reverse', 'top', 'bottom'];
const pace = (random) => ({ stage: STAGE, flightMs: 4000 + random() * 6000, standMs: 2000 + random() * 3000 });

// The oracle's own idea of a place: a share of the way, not a speed.
function edges(path, at) {
  const share = (at - path.start) / (path.end - path.start);
  const last = path.v === 0 ? path.x : path.v < 0 ? -path.width : STAGE;
  const left = path.x + share * (last - path.x);
  return [left, left + path.width];
}

// nearest is the least distance of two comments while both are there.
function nearest(a, b) {
  const [from, to] = [Math.max(a.start, b.start), Math.min(a.end, b.end)];
  let least = Infinity;
  for (let i = 0; i <= 100 && to > from; i++) {
    const at = from + ((to - from) * i) / 100;
    const [[aLeft, aRight], [bLeft, bRight]] = [edges(a, at), edges(b, at)];
    least = Math.min(least, Math.max(bLeft - aRight, aLeft - bRight));
  }
  return least;
}

for (const fill of ['top', 'bottom', 'spread']) {
  for (const gap of [0, 24]) {
    test(`no two comments ever touch: filled from ${fill}, ${gap} pixels apart`, () => {
      const random = seeded(gap * 7 + fill.length);
      const lanes = new Lanes(random);
      lanes.resize(12);
      const placed = [];
      let [now, refused] = [0, 0];
      for (let i = 0; i < 1500; i++) {
        now += random() * 250;
        const path = pathOf(MODES[Math.floor(random() * MODES.length)], now, 20 + random() * 700, pace(random));
        const span = 1 + Math.floor(random() * 4);
        const row = lanes.place(path, span, gap, fill);
        if (row < 0) refused++;
        else placed.push({ path, row, span });
      }
      assert.ok(placed.length > 250 && refused > 100, `${placed.length} placed, ${refused} refused`);
      for (let i = 0; i < placed.length; i++) {
        const { path: a, row, span } = placed[i];
        for (let j = i + 1; j < placed.length && placed[j].path.start < a.end; j++) {
          const b = placed[j];
          if (b.row >= row + span || row >= b.row + b.span) continue;
          assert.ok(nearest(a, b.path) >= gap - 1e-6, `${JSON.stringify(placed[i])} and ${JSON.stringify(b)}: ${nearest(a, b.path)}`);
        }
      }
    });
  }
}

test('a comment is refused only where there is no room', () => {
  const random = seeded(5);
  const lanes = new Lanes(random);
  lanes.resize(6);
  const placed = [];
  let [now, refused] = [0, 0];
  for (let i = 0; i < 700; i++) {
    now += random() * 300;
    const path = pathOf(MODES[Math.floor(random() * MODES.length)], now, 20 + random() * 500, pace(random));
    const span = 1 + Math.floor(random() * 2);
    const row = lanes.place(path, span, 10, 'top');
    if (row >= 0) {
      placed.push({ path, row, span });
      continue;
    }
    refused++;
    for (let start = 0; start + span <= 6; start++) {
      const inTheWay = placed.filter((p) => p.row < start + span && start < p.row + p.span && p.path.end > path.start);
      assert.ok(inTheWay.some((p) => nearest(p.path, path) < 10 + 1), `row ${start} was free`);
    }
  }
  assert.ok(refused > 50, `${refused} refused`);
});

test('the length of a clash is what one sees', () => {
  const random = seeded(9);
  for (let i = 0; i < 400; i++) {
    const a = pathOf(MODES[i % 6], random() * 2000, 20 + random() * 400, pace(random));
    const b = pathOf(MODES[(i >> 2) % 6], random() * 6000, 20 + random() * 400, pace(random));
    const [from, to] = [Math.max(a.start, b.start), Math.min(a.end, b.end)];
    let seen = 0;
    const steps = 1000;
    for (let s = 0; s < steps && to > from; s++) {
      const at = from + ((to - from) * (s + 0.5)) / steps;
      const [[aLeft, aRight], [bLeft, bRight]] = [edges(a, at), edges(b, at)];
      if (bLeft - aRight < 8 && aLeft - bRight < 8) seen += (to - from) / steps;
    }
    const got = clashMs(a, b, 8);
    assert.ok(Math.abs(got - seen) < Math.max(1, (3 * (to - from)) / steps), `${got} instead of ${seen}`);
    assert.equal(got, clashMs(b, a, 8), 'the same from both sides');
  }
});

test('where all is taken, a comment goes over others where it does so least', () => {
  const lanes = new Lanes();
  lanes.resize(3);
  const at = { stage: STAGE, flightMs: 5000, standMs: 3000 };
  const long = pathOf('top', 0, 300, { ...at, standMs: 6000 });
  for (const path of [long, pathOf('top', 0, 300, at), long]) assert.ok(lanes.place(path, 1, 0, 'top') >= 0);
  const path = pathOf('top', 100, 300, at);
  assert.equal(lanes.place(path, 1, 0, 'top'), -1);
  assert.equal(lanes.overlay(path, 1), 1);
});

test('higher comments take more rows, and what is gone leaves them', () => {
  const lanes = new Lanes();
  lanes.resize(4);
  const at = { stage: STAGE, flightMs: 5000, standMs: 1000 };
  assert.equal(lanes.place(pathOf('top', 0, 100, at), 3, 0, 'top'), 0);
  assert.equal(lanes.place(pathOf('top', 0, 100, at), 2, 0, 'top'), -1);
  assert.equal(lanes.place(pathOf('top', 0, 100, at), 1, 0, 'top'), 3);
  assert.equal(lanes.place(pathOf('top', 1000, 100, at), 9, 0, 'top'), 0, 'higher than the stage: all of it');
});

test('a stage without height has a row, and a smaller one uses none that it lost', () => {
  const lanes = new Lanes();
  const at = { stage: STAGE, flightMs: 5000, standMs: 1000 };
  lanes.resize(-3);
  assert.deepEqual(lanes.whole, { from: 0, to: 1 });
  lanes.resize(8);
  lanes.resize(2);
  const rows = [1, 2, 3].map(() => lanes.place(pathOf('bottom', 0, 900, at), 1, 0, 'bottom'));
  assert.deepEqual(rows, [1, 0, -1]);
  lanes.clear();
  assert.equal(lanes.place(pathOf('bottom', 0, 900, at), 1, 0, 'bottom'), 1);
});

test('a part of the stage is used where only that is allowed', () => {
  const lanes = new Lanes();
  lanes.resize(8);
  const at = { stage: STAGE, flightMs: 5000, standMs: 1000 };
  const path = () => pathOf('top', 0, 900, at);
  assert.deepEqual([1, 2, 3].map(() => lanes.place(path(), 1, 0, 'top', { from: 0, to: 2 })), [0, 1, -1]);
  assert.deepEqual([1, 2, 3].map(() => lanes.place(path(), 1, 0, 'bottom', { from: 6, to: 8 })), [7, 6, -1]);
  assert.equal(lanes.overlay(path(), 1, { from: 6, to: 8 }), 6);
  assert.equal(lanes.place(path(), 4, 0, 'spread', { from: 2, to: 6 }), 2);
});

test('a comment that is held is in the way where it is, and then flies on', () => {
  const lanes = new Lanes();
  const at = { stage: STAGE, flightMs: 5000, standMs: 1000 };
  const path = pathOf('scroll', 0, 100, at);
  lanes.place(path, 1, 0, 'top');
  const held = stopped(path, 2000);
  lanes.replace(path, held);
  assert.equal(lanes.place(pathOf('scroll', 4000, 100, at), 1, 0, 'top'), -1);
  const on = resumed(path, 2000, 9000);
  lanes.replace(held, on);
  assert.ok(Math.abs(on.end - 9000 - (path.end - 2000)) < 1e-6);
  assert.equal(lanes.place(pathOf('scroll', 9000, 100, at), 1, 0, 'top'), 0);
  lanes.replace(on, null);
  assert.equal(lanes.place(pathOf('top', 9000, 999, { ...at, standMs: 1 }), 1, 0, 'top'), 0);
});

test('longer comments are faster', () => {
  const at = { stage: STAGE, flightMs: 5000, standMs: 1000 };
  const [short, long] = [50, 800].map((width) => pathOf('scroll', 0, width, at));
  assert.ok(-long.v > -short.v * 1.3);
});
