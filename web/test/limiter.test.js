// How much a visitor may send.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Limiter } from '../page/limiter.js';

test('limiter stays under 10 a second and a burst of 20', () => {
  const limiter = new Limiter(0);
  const taken = (now, tries) => Array.from({ length: tries }, () => limiter.take(now)).filter(Boolean).length;
  assert.equal(taken(0, 100), 16);
  assert.equal(taken(1000, 100), 8);
  assert.equal(taken(500, 1), 0, 'a clock that goes back gives nothing');
  assert.equal(taken(3_600_000, 100), 16);
});
