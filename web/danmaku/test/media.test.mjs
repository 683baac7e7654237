// Comments at the times of a video: in their order, whatever the video does.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seeded, source } from './source.mjs';

const { Follower, Script } = await source('media');
const { Timeline } = await source('clock');

// A video whose own clock is the test's.
class Video extends EventTarget {
  currentTime = 0;
  playbackRate = 1;
  paused = true;
  do(event, changes = {}) {
    Object.assign(this, changes);
    this.dispatchEvent(new Event(event));
  }
}

function followed() {
  const clock = { now: () => clock.at, at: 1000 };
  const timeline = new Timeline(clock);
  const video = new Video();
  const jumps = [];
  const follower = new Follower(video, timeline, { jumped: () => jumps.push(timeline.now()), woken: () => {} });
  return { clock, timeline, video, jumps, follower };
}

test('the timeline follows the video', () => {
  const { clock, timeline, video, jumps, follower } = followed();
  clock.at += 500;
  assert.equal(timeline.now(), 0, 'it has not begun');
  video.do('play', { paused: false });
  clock.at += 500;
  assert.equal(timeline.now(), 500);
  video.do('ratechange', { currentTime: 0.5, playbackRate: 2 });
  clock.at += 500;
  assert.equal(timeline.now(), 1500);
  video.do('waiting', { currentTime: 1.5 });
  clock.at += 5000;
  assert.equal(timeline.now(), 1500, 'it waits for data');
  video.do('playing');
  clock.at += 100;
  assert.equal(timeline.now(), 1700);
  video.do('pause', { paused: true, currentTime: 1.7 });
  clock.at += 5000;
  assert.equal(timeline.now(), 1700);
  video.do('seeking', { currentTime: 60 });
  video.do('seeked');
  assert.deepEqual(jumps, [60_000, 60_000]);
  follower.destroy();
  video.do('play', { paused: false });
  clock.at += 500;
  assert.equal(timeline.now(), 60_000, 'it follows no more');
});

test('small differences are corrected, large ones are jumps', () => {
  const { clock, timeline, video, follower } = followed();
  video.do('play', { paused: false });
  clock.at += 1000;
  video.currentTime = 0.98;
  assert.equal(follower.check(), false);
  assert.equal(timeline.now(), 1000, 'that one cannot see');
  video.currentTime = 0.8;
  assert.equal(follower.check(), false);
  assert.equal(timeline.now(), 800);
  video.currentTime = 30;
  assert.equal(follower.check(), true);
  assert.equal(timeline.now(), 30_000);
});

test('a script against a plain list', () => {
  const random = seeded(6);
  const all = Array.from({ length: 300 }, (_, id) => ({ at: Math.floor(random() * 100) * 100, id }));
  const script = new Script();
  script.load(all, 0);
  const sorted = all.toSorted((a, b) => a.at - b.at);
  const came = [];
  let now = 0;
  for (let round = 0; round < 400; round++) {
    const what = random();
    if (what < 0.7) {
      const before = now;
      now += random() * 150;
      const due = script.due(now);
      assert.deepEqual(due, sorted.filter(({ at }) => at > before && at <= now));
      came.push(...due);
    } else if (what < 0.8) {
      now = random() * 10_000;
      assert.deepEqual(script.jump(now, 700), sorted.filter(({ at }) => at > now - 700 && at <= now));
    } else {
      const one = { at: Math.floor(random() * 100) * 100, id: 1000 + round };
      const after = sorted.findIndex(({ at }) => at > one.at);
      sorted.splice(after < 0 ? sorted.length : after, 0, one);
      assert.equal(script.add(one, now), one.at > now);
    }
    assert.equal(script.waiting, sorted.some(({ at }) => at > now));
  }
  assert.ok(came.length > 100);
});
