// The renderer in a browser: what is drawn, and where, at times that the test sets.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Pages } from './page.mjs';

let pages;
before(async () => {
  pages = await Pages.start();
});
after(() => pages?.stop());

// within runs a script in a new page, and says what it returned.
async function within(t, script, argument, options) {
  const page = await pages.open(t, options);
  const result = await page.evaluate(script, argument);
  assert.deepEqual(page.troubles, []);
  return { page, result };
}

test('comments fly left and right, and stand above and below', async (t) => {
  const { result } = await within(t, () => {
    make();
    for (const mode of ['scroll', 'reverse', 'top', 'bottom']) danmaku.show({ text: mode, mode });
    clock.turn(20);
    const begin = { scroll: where('scroll'), reverse: where('reverse') };
    clock.turn(2000);
    const later = Object.fromEntries(texts().map((text) => [text, { ...where(text), ink: inked(where(text)) }]));
    clock.turn(20_000);
    return { begin, later, end: texts(), ink: inked({ x: 0, y: 0, width: 800, height: 400 }), wanted: clock.wanted };
  });
  const { begin, later } = result;
  assert.ok(Math.abs(begin.scroll.x - 800) < 5 && Math.abs(begin.reverse.x + begin.reverse.width) < 5, JSON.stringify(begin));
  assert.ok(later.scroll.x < 620 && later.reverse.x > 80);
  for (const { x, width } of [later.top, later.bottom]) assert.ok(Math.abs(x + width / 2 - 400) < 1);
  assert.ok(later.top.y < 120 && later.bottom.y > 330);
  for (const [text, { ink }] of Object.entries(later)) assert.ok(ink > 100, `${text} is drawn: ${ink} pixels`);
  assert.deepEqual([result.end, result.ink, result.wanted], [[], 0, 0], 'all is gone, and no frame is wanted');
});

const LINES = [
  'first!', '哈哈哈哈哈哈', '前方高能，非战斗人员请撤离', 'ありがとうございます', '素晴らしい！', 'مرحبا بالجميع', 'هذا رائع جدا 🎉', 'שלום לכולם',
  '👩🏽‍💻👨‍👩‍👧‍👦🏳️‍🌈', 'w'.repeat(60), '弹幕'.repeat(30), 'a', 'great song', '👍🏿👍🏻', 'q̵̣̱', '2333333', 'this one is quite a bit longer than the others are',
];

test('nothing touches anything while there is room, in any script and size', async (t) => {
  const page = await pages.open(t);
  const got = await page.evaluate((lines) => {
    make({ settings: { overflow: 'drop' }, fill: 'spread' });
    const modes = ['scroll', 'scroll', 'scroll', 'reverse', 'top', 'bottom'];
    const sizes = ['small', 'normal', 'normal', 'large', 1.25];
    const colors = ['#67e8f9', '#fde047', '#fda4af', '#86efac', '#ffffff'];
    let over = [];
    let most = 0;
    for (let i = 0; i < 300; i++) {
      danmaku.show({ text: lines[i % lines.length], nick: i % 4 ? '' : 'mika', mode: modes[(i * 7) % 6], size: sizes[(i * 3) % 5], color: colors[i % 5], own: i % 41 === 40 });
      clock.turn(60);
      if (i % 41 !== 40 && !danmaku.shown.some(({ comment }) => comment.own)) over.push(...overlaps());
      most = Math.max(most, danmaku.shown.length);
    }
    return { over, most, outside: danmaku.shown.filter(({ y, height }) => y < 0 || y + height > 400.1) };
  }, LINES);
  assert.deepEqual(got.over, []);
  assert.deepEqual(got.outside, []);
  assert.ok(got.most >= 15, `at most ${got.most} at once`);
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/scripts.png` });
  assert.deepEqual(page.troubles, []);
});

test('the visitor\'s own is marked, and in front', async (t) => {
  const { result } = await within(t, () => {
    make();
    danmaku.show({ text: 'same', mode: 'top', color: '#ff0000' });
    danmaku.show({ text: 'same', mode: 'top', color: '#ff0000', own: true });
    clock.turn(20);
    const edge = ({ x, y, height }) => inked({ x, y: y + height / 2, width: 4, height: 1 }, (r, g, b) => r > 200 && g < 60 && b < 60);
    return danmaku.shown.map(edge);
  });
  assert.ok(result[0] === 0 && result[1] > 0, `pixels of an edge: ${result}`);
});

test('settings: applied, bounded, kept, and read again', async (t) => {
  const page = await pages.open(t);
  const height = () => page.evaluate(() => {
    danmaku.clear();
    danmaku.show({ text: 'measure', mode: 'top' });
    clock.turn(20);
    return where('measure').height;
  });
  await page.evaluate(() => make({ kept: true }));
  const normal = await height();
  await page.evaluate(() => danmaku.set({ fontSize: 2, opacity: 0.4, area: 0.25, speed: 2, density: 0.1, overflow: 'overlay', nonsense: 1 }));
  assert.ok(Math.abs((await height()) - 2 * normal) <= 2);
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('canvas')).opacity), '0.4');
  const many = await page.evaluate(() => {
    for (let i = 0; i < 200; i++) {
      danmaku.show({ text: `comment ${i}` });
      clock.turn(40);
    }
    return { count: danmaku.shown.length, lowest: Math.max(...danmaku.shown.map(({ y }) => y)) };
  });
  assert.ok(many.count <= 30 && many.lowest < 100, JSON.stringify(many));
  await page.reload();
  await page.waitForFunction(() => window.ready);
  assert.deepEqual(await page.evaluate(() => make({ kept: true }).settings), { fontSize: 2, opacity: 0.4, area: 0.25, speed: 2, density: 0.1, overflow: 'overlay' });
  await page.evaluate(() => localStorage.setItem('barrage.danmaku', '{"opacity":"0;background:url(//evil)","fontSize":1e9,"area":null}'));
  assert.deepEqual(await page.evaluate(() => make({ kept: true }).settings), { fontSize: 3, opacity: 1, area: 1, speed: 1, density: 1, overflow: 'shrink' });
  assert.deepEqual(page.troubles, []);
});

test('what strangers write runs nothing and loads nothing, in any field', async (t) => {
  const page = await pages.open(t);
  const before = await page.evaluate(() => {
    make({ allow: [`${location.origin}/emoji/`] });
    return document.querySelectorAll('*').length;
  });
  await page.evaluate(() => {
    window.ran = 0;
    const attempts = [
      '<img src=x onerror="ran++">', '<script>ran++</script>', '"><svg onload="ran++">', 'javascript:ran++', "');ran++;('", '{{constructor.constructor("ran++")()}}',
      '#fff;background:url(http://127.0.0.1:9/x)', 'url(http://127.0.0.1:9/x)', 'expression(ran++)', 'http://127.0.0.1:9/x.png', '//127.0.0.1:9/x.png',
      'data:image/svg+xml,<svg onload="ran++"/>', '__proto__', 'constructor', '\u202e\u0000', `${location.origin}/emoji/../secret`,
    ];
    const fields = ['text', 'nick', 'sender', 'mode', 'color', 'size', 'image', 'emoji', 'time', 'id', 'own'];
    const giftFields = ['name', 'nick', 'sender', 'count', 'icon', 'image', 'color'];
    for (const attempt of attempts) {
      for (const field of fields) danmaku.show({ text: 'hello :x:', [field]: attempt });
      danmaku.show({ text: ':x:', emoji: { ':x:': attempt, [attempt]: attempt } });
      danmaku.show({ text: 'x', toString: attempt, __proto__: { image: attempt } });
      danmaku.set({ opacity: attempt, area: attempt, overflow: attempt, fontSize: attempt });
      for (const field of giftFields) danmaku.gift({ name: 'Rocket', [field]: attempt });
      clock.turn(100);
    }
    for (const odd of [null, undefined, 7, 'text', [], () => {}, { text: { toString: () => ran++ } }]) {
      danmaku.show(odd);
      danmaku.gift(odd);
    }
    clock.turn(2000);
  });
  const after = await page.evaluate(() => ({
    ran: window.ran,
    markup: [...document.querySelectorAll('#stage *')].filter((e) => !['DIV', 'CANVAS', 'SPAN', 'STRONG'].includes(e.tagName)).map((e) => e.outerHTML),
    elements: document.querySelectorAll('*').length,
    polluted: [{}.image, {}.x, Object.prototype.text],
  }));
  assert.equal(after.ran, 0);
  assert.deepEqual(after.markup, []);
  assert.ok(after.elements < before + 30, `${after.elements} elements`);
  assert.deepEqual(after.polluted, [undefined, undefined, undefined]);
  assert.deepEqual(page.foreign, []);
  assert.ok(!pages.asked.some((path) => path.includes('secret')), String(pages.asked));
  assert.deepEqual(page.troubles, []);
});

test('pictures in comments, in the order of reading', async (t) => {
  const page = await pages.open(t);
  await page.evaluate(() => {
    make({ allow: [`${location.origin}/emoji/`], emoji: { ':red:': `${location.origin}/emoji/red.svg` } });
    danmaku.show({ text: 'ha ha ha ha ha :red:', mode: 'top' });
    danmaku.show({ text: 'مرحبا مرحبا مرحبا :red:', mode: 'top' });
    danmaku.show({ text: 'sticker', mode: 'bottom', image: `${location.origin}/emoji/blue.svg` });
    danmaku.pause();
    clock.turn(20);
    danmaku.resume();
    clock.turn(20);
  });
  // The pictures come when the server has answered; then a frame is wanted.
  await page.waitForFunction(() => {
    clock.turn(0.001);
    clock.jump(0);
    const blue = where('sticker');
    return inked(blue, (r, g, b) => b > 200 && r < 60 && g < 60) > 1000;
  });
  const centres = await page.evaluate(() => {
    const reds = (box) => {
      const half = Math.floor(box.width / 2);
      const red = (r, g, b) => r > 200 && g < 60 && b < 60;
      return [inked({ ...box, width: half }, red), inked({ ...box, x: box.x + half, width: half }, red)];
    };
    return ['ha ha ha ha ha :red:', 'مرحبا مرحبا مرحبا :red:'].map((text) => reds(where(text)));
  });
  assert.ok(centres[0][0] === 0 && centres[0][1] > 300, `to the right of English: ${centres[0]}`);
  assert.ok(centres[1][0] > 300 && centres[1][1] === 0, `to the left of Arabic: ${centres[1]}`);
  assert.deepEqual(page.troubles, []);
});

test('a picture of another origin that says nothing about origins is drawn all the same', async (t) => {
  const other = await Pages.start();
  t.after(() => other.stop());
  const page = await pages.open(t);
  await page.evaluate((origin) => {
    make({ allow: [origin] });
    danmaku.show({ text: 'x', mode: 'top', image: `${origin}/emoji/red.svg` });
    clock.turn(20);
  }, other.origin);
  await page.waitForFunction(() => {
    clock.turn(1);
    try {
      inked({ x: 0, y: 0, width: 1, height: 1 });
      return false;
    } catch (error) {
      return error.name === 'SecurityError'; // a canvas with such a picture is not to be read
    }
  });
  assert.deepEqual(page.foreign, [`${other.origin}/emoji/red.svg`]);
  assert.deepEqual(page.troubles, []);
});

test('a comment stands still under the mouse, and a click picks it', async (t) => {
  const page = await pages.open(t, { permissions: ['clipboard-read', 'clipboard-write'] });
  const { x, y } = await page.evaluate(() => {
    make({ interactive: true });
    window.below = 0;
    document.querySelector('#stage').addEventListener('click', () => below++);
    danmaku.show({ text: 'click me', sender: 'troll', id: 7 });
    danmaku.show({ text: 'and me', sender: 'troll', mode: 'bottom' });
    danmaku.show({ text: 'not me', sender: 'friend', mode: 'top' });
    clock.turn(2000);
    return where('click me');
  });
  await page.mouse.move(x + 10, y + 10);
  const moved = () => page.evaluate((x) => {
    clock.turn(400);
    return x - where('click me').x;
  }, x);
  assert.ok(Math.abs(await moved()) < 1, 'it stands while the mouse is on it');
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('#stage')).cursor), 'pointer');
  await page.mouse.click(x + 10, y + 10);
  await page.mouse.move(700, 390);
  assert.ok(Math.abs(await moved()) < 1, 'and while it is picked');
  const picked = await page.evaluate(async () => {
    const reports = [];
    danmaku.on('report', (comment) => reports.push(comment.id));
    const [pick] = picks;
    pick.report();
    const copied = await pick.copy();
    return { text: pick.comment.text, id: pick.comment.id, reports, copied, clip: await navigator.clipboard.readText(), below };
  });
  assert.deepEqual(picked, { text: 'click me', id: 7, reports: [7], copied: true, clip: 'click me', below: 0 });
  await page.evaluate(() => picks[0].release());
  assert.ok((await moved()) > 20, 'then it flies on');
  await page.mouse.click(700, 200);
  assert.equal(await page.evaluate(() => below), 1, 'a click beside all comments is what is below\'s');
  const muted = await page.evaluate(() => {
    picks[0].mute();
    danmaku.show({ text: 'again', sender: 'troll' });
    danmaku.gift({ name: 'Rocket', sender: 'troll' });
    clock.turn(20);
    return { texts: texts(), drops, gifts: document.querySelectorAll('strong').length, muted: danmaku.muted };
  });
  assert.deepEqual(muted, { texts: ['not me'], drops: [['again', 'muted']], gifts: 0, muted: ['troll'] });
  assert.deepEqual(page.troubles, []);
});

test('gifts are cards that count up, three at once, others after them', async (t) => {
  const page = await pages.open(t);
  const cards = () => page.evaluate(() => [...document.querySelectorAll('#stage strong')].map((number) => number.parentElement.textContent));
  await page.evaluate(() => {
    make();
    danmaku.gift({ name: '<b>Rocket</b>', nick: '小明', icon: '🚀' });
    danmaku.gift({ name: 'Heart', nick: 'مريم', count: 3, icon: '❤️' });
    for (let i = 0; i < 9; i++) danmaku.gift({ name: 'Heart', nick: 'مريم' });
    danmaku.gift({ name: 'Cake', nick: 'ann' });
    danmaku.gift({ name: 'Late', nick: 'bob' });
    danmaku.gift({ name: 'Late', nick: 'bob', count: 5 });
  });
  assert.deepEqual(await cards(), ['小明<b>Rocket</b>🚀×1', 'مريمHeart❤️×12', 'annCake×1']);
  assert.ok((await page.evaluate(() => document.getAnimations().length)) > 0, 'they move');
  if (process.env.PICTURES) await page.waitForTimeout(500).then(() => page.screenshot({ path: `${process.env.PICTURES}/gifts.png` }));
  await page.evaluate(() => {
    clock.turn(3000);
    danmaku.gift({ name: 'Heart', nick: 'مريم' });
    clock.turn(2000);
  });
  assert.deepEqual(await cards(), ['مريمHeart❤️×13', 'bobLate×6']);
  await page.evaluate(() => clock.turn(9000));
  assert.deepEqual([await cards(), await page.evaluate(() => clock.wanted)], [[], 0]);
  await page.evaluate(() => {
    for (let i = 0; i < 5000; i++) danmaku.gift({ name: `gift ${i}`, nick: 'flood' });
    clock.turn(20);
  });
  assert.ok((await page.locator('#stage *').count()) < 40);
  assert.deepEqual(page.troubles, []);
});

test('less motion: comments stand, and gifts do not slide', async (t) => {
  const { result } = await within(t, () => {
    make();
    for (let i = 0; i < 6; i++) danmaku.show({ text: `calm ${i}`, mode: i % 2 ? 'scroll' : 'reverse' });
    danmaku.gift({ name: 'Heart' });
    clock.turn(20);
    const before = danmaku.shown.map(({ x }) => x);
    clock.turn(1000);
    return { before, after: danmaku.shown.map(({ x }) => x), over: overlaps(), animations: document.getAnimations().length };
  }, undefined, { reducedMotion: 'reduce' });
  assert.equal(result.before.length, 6);
  assert.deepEqual(result.after, result.before);
  assert.deepEqual([result.over, result.animations], [[], 0]);
});

test('the wish for less motion is obeyed as soon as it is made', async (t) => {
  const page = await pages.open(t);
  await page.evaluate(() => {
    make();
    danmaku.show({ text: 'flies' });
    clock.turn(500);
  });
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.waitForFunction(() => danmaku.shown.length === 0);
});

test('a page that slept shows neither a burst nor a pile', async (t) => {
  const { result } = await within(t, () => {
    make();
    const come = (count) => {
      for (let i = 0; i < count; i++) danmaku.show({ text: String(i) });
    };
    const hide = (hidden) => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    };
    come(30);
    clock.turn(1000);
    const flew = danmaku.shown.length;
    // Hidden: no frames, and messages go on.
    hide(true);
    for (let s = 0; s < 30; s++) {
      come(200);
      clock.jump(1000);
    }
    hide(false);
    clock.turn(20);
    const hidden = { shown: danmaku.shown.length, dropped: drops.length };
    // Frozen: nothing at all ran, then all the messages come in one task.
    come(10);
    clock.turn(100);
    clock.jump(30_000);
    come(6000);
    clock.turn(20);
    const frozen = danmaku.shown.length;
    clock.turn(5000);
    return { flew, hidden, frozen, over: overlaps(), wanted: danmaku.shown.length };
  });
  assert.ok(result.flew > 5);
  assert.deepEqual(result.hidden.shown, 0);
  assert.ok(result.hidden.dropped >= 6000);
  assert.ok(result.frozen <= 24, `${result.frozen} took off at once`);
  assert.deepEqual(result.over, []);
});

test('paused: all stands, what comes waits, within bounds', async (t) => {
  const { result } = await within(t, () => {
    make();
    danmaku.show({ text: 'flying' });
    clock.turn(1000);
    danmaku.pause();
    const { x } = where('flying');
    for (let i = 0; i < 500; i++) danmaku.show({ text: `waits ${i}` });
    clock.turn(60_000);
    const paused = { moved: where('flying').x - x, shown: danmaku.shown.length, dropped: drops.length, wanted: clock.wanted };
    danmaku.resume();
    clock.turn(100);
    return { paused, moved: where('flying').x - x, shown: danmaku.shown.length, over: overlaps() };
  });
  assert.deepEqual(result.paused, { moved: 0, shown: 1, dropped: 440, wanted: 0 });
  assert.ok(result.moved < -5 && result.moved > -40, String(result.moved));
  assert.ok(result.shown > 5);
  assert.deepEqual(result.over, []);
});

test('with a video comments come at its times, whatever it does', async (t) => {
  const { result } = await within(t, () => {
    make({ video: true });
    const at = (time) => ({ text: `at ${time}`, time });
    danmaku.load(Array.from({ length: 1200 }, (_, i) => at(((i * 7) % 1200) / 2)));
    const steps = {};
    clock.turn(2000);
    steps.before = texts();
    video.play();
    clock.turn(3000);
    steps.played = texts().sort();
    // What is where does not depend on how it was reached.
    clock.turn(27_000);
    const played = danmaku.shown.map(({ comment, x }) => [comment.text, Math.round(x)]);
    video.currentTime = 400;
    clock.turn(20);
    steps.far = danmaku.shown.map(({ comment }) => comment.time).sort((a, b) => a - b);
    video.currentTime = 30;
    video.pause();
    clock.turn(20);
    const jumped = new Map(danmaku.shown.map(({ comment, x }) => [comment.text, x]));
    steps.same = played.filter(([text, x]) => Math.abs((jumped.get(text) ?? Infinity) - x) < 15).length / played.length;
    const still = danmaku.shown.map(({ x }) => x);
    clock.turn(5000);
    steps.paused = danmaku.shown.every(({ x }, i) => x === still[i]) && clock.wanted === 0;
    // Twice as fast: in a second of ours it goes as far as in two of the video.
    video.playbackRate = 2;
    video.play();
    const track = () => new Map(danmaku.shown.map(({ comment, x }) => [comment.text, x]));
    const one = track();
    clock.turn(1000);
    const two = track();
    steps.fast = [...two].filter(([text]) => one.has(text)).map(([text, x]) => one.get(text) - x);
    // Asleep for a minute while the video played on.
    video.playbackRate = 1;
    clock.jump(60_000);
    clock.turn(20);
    steps.awake = danmaku.shown.map(({ comment }) => comment.time).sort((a, b) => a - b);
    steps.over = overlaps();
    // A visitor's own, now, and one for later.
    danmaku.show({ text: 'now', own: true });
    danmaku.show({ text: 'later', time: video.currentTime + 5 });
    clock.turn(40);
    steps.added = [texts().includes('now'), texts().includes('later')];
    clock.turn(5200);
    steps.added.push(texts().includes('later'));
    return steps;
  });
  assert.deepEqual(result.before, ['at 0']);
  assert.deepEqual(result.played, ['at 0', 'at 0.5', 'at 1', 'at 1.5', 'at 2', 'at 2.5', 'at 3']);
  assert.ok(result.far[0] >= 385 && result.far.at(-1) <= 400.1 && result.far.length > 10, `after a seek: ${result.far}`);
  assert.ok(result.same > 0.9, `after a seek back ${result.same} are where they were`);
  assert.ok(result.paused);
  assert.ok(result.fast.length > 5 && result.fast.every((way) => way > 150), String(result.fast));
  assert.ok(result.awake[0] > 75 && result.awake.length > 10, `after a sleep: ${result.awake}`);
  assert.deepEqual(result.over, []);
  assert.deepEqual(result.added, [true, false, true]);
});

test('after thousands of comments nothing is left of them', async (t) => {
  const page = await pages.open(t);
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const heap = async () => {
    await session.send('HeapProfiler.collectGarbage');
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'JSHeapUsedSize').value;
  };
  await page.evaluate(() => {
    make();
    danmaku.on('drop', () => (drops.length = 0));
    window.fly = (count) => {
      for (let i = 0; i < count; i++) {
        danmaku.show({ text: `comment ${i} of many`, nick: 'someone', sender: `sender ${i}` });
        if (i % 4 === 0) clock.turn(40);
      }
      clock.turn(30_000);
    };
    fly(500);
  });
  const before = await heap();
  await page.evaluate(() => fly(3000));
  const grown = (await heap()) - before;
  assert.ok(grown < 200_000, `${grown} bytes more`);
  const left = await page.evaluate(() => {
    const { elements } = { elements: document.querySelectorAll('#stage *').length };
    danmaku.destroy();
    return { shown: danmaku.shown, elements, after: document.querySelectorAll('#stage *').length, wanted: clock.wanted };
  });
  assert.deepEqual(left, { shown: [], elements: 3, after: 0, wanted: 0 });
});
