// Row allocation, against the positions that the comments really have.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Rows } from '../page/rows.js';

const STAGE = 1000;

function rowsOf(count) {
  const rows = new Rows(() => 0);
  rows.resize(count, STAGE);
  return rows;
}

test('comments at the same moment take different rows, until none is left', () => {
  const rows = rowsOf(3);
  const taken = [1, 2, 3].map(() => rows.place(0, 100, 0.1));
  assert.deepEqual(taken.sort(), [0, 1, 2]);
  assert.equal(rows.place(0, 100, 0.1), -1);
});

test('a row is free again when the tail has entered', () => {
  const rows = rowsOf(1);
  rows.place(0, 100, 0.1); // its tail and the gap behind it are in at 1360
  assert.equal(rows.place(1350, 100, 0.1), -1);
  assert.equal(rows.place(1370, 100, 0.1), 0);
});

test('a faster comment waits until it cannot catch up', () => {
  const rows = rowsOf(1);
  rows.place(0, 100, 0.1); // gone, with the gap, at 11360
  assert.equal(rows.place(1400, 100, 0.2), -1);
  assert.equal(rows.place(6400, 100, 0.2), 0); // at the left edge at 11400
});

test('squeeze chooses the row that frees first', () => {
  const rows = rowsOf(3);
  const taken = [300, 100, 200].map((width) => rows.place(0, width, 0.1));
  assert.equal(rows.squeeze(10, 400, 0.1), taken[1]);
  assert.equal(rows.squeeze(20, 100, 0.1), taken[2], 'the first is longer taken now');
});

test('a stage without height still has a row', () => {
  assert.equal(rowsOf(-3).place(0, 100, 0.1), 0);
});

test('clear frees all rows, and a smaller stage uses no row it lost', () => {
  const rows = rowsOf(4);
  for (let i = 0; i < 4; i++) rows.place(0, 100, 0.1);
  rows.clear();
  rows.resize(1, STAGE);
  assert.equal(rows.place(0, 100, 0.1), 0);
  assert.equal(rows.place(0, 100, 0.1), -1);
  assert.equal(rows.squeeze(0, 100, 0.1), 0);
});

test('no two comments of a row ever touch', () => {
  const random = seeded(42);
  const rows = new Rows(random);
  rows.resize(5, STAGE);
  const latest = new Map();
  let [now, placed] = [0, 0];
  for (let i = 0; i < 3000; i++) {
    now += random() * 900;
    const comment = { start: now, width: 40 + random() * 600, speed: 0.08 + random() * 0.15 };
    const row = rows.place(now, comment.width, comment.speed);
    if (row < 0) continue;
    if (latest.has(row)) assertApart(latest.get(row), comment);
    latest.set(row, comment);
    placed++;
  }
  assert.ok(placed > 500, `only ${placed} found a row`);
});

function assertApart(before, after) {
  const gone = before.start + (STAGE + before.width) / before.speed;
  for (let at = after.start; at <= gone; at += 50) {
    const tail = STAGE - (at - before.start) * before.speed + before.width;
    const head = STAGE - (at - after.start) * after.speed;
    assert.ok(head >= tail, `at ${at} the head at ${head} is in the tail at ${tail}`);
  }
}

function seeded(seed) {
  return () => (seed = (seed * 48271) % 2147483647) / 2147483647;
}
