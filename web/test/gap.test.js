// What is said of comments that are missing.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sentence } from '../page/gap.js';

test('sentence', () => {
  assert.equal(sentence({ reason: 'trimmed', count: 1 }), 'One comment is missing: older than the room remembers.');
  assert.equal(sentence({ reason: 'trimmed', count: 30 }), '30 comments are missing: older than the room remembers.');
  assert.equal(sentence({ reason: 'large', from: 4, to: 9 }), 'Up to 6 comments are missing: there were too many to fetch.');
  assert.equal(sentence({ reason: 'epoch', from: 4 }), 'Comments are missing: the room began anew.');
  assert.equal(sentence({ reason: 'something new' }), 'Comments are missing: this page was away.');
});
