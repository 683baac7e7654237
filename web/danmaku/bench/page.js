// Runs in the browser: keeps so many comments on the stage. The texts and the
// moments do not depend on what is measured or on how fast it is.

import { adapters } from './adapters.js';

const TICK_MS = 100;

const SYLLABLES = ['la', 'mi', 'ko', 'ren', 'sta', 'vor', 'ny', 'qui', 'bel', 'tu', '弹', '幕', '好', '看', '草', 'ありが', 'すご', 'い', '!', '哈哈'];

// text is one to eight syllables, always the same for a number.
function text(number) {
  const random = (n) => (number = (number * 48271 + 11) % 2147483647) % n;
  return Array.from({ length: 1 + random(8) }, () => SYLLABLES[random(SYLLABLES.length)]).join('');
}

window.run = async ({ name, comments, flightMs, fontPx, rowPx }) => {
  const stage = document.querySelector('#stage');
  const font = `600 ${fontPx}px sans-serif`;
  stage.style.font = font;
  const { add, count } = await adapters[name](stage, { flightMs, fontPx, rowPx, font });
  const begun = performance.now();
  let added = 0;
  const due = () => ((performance.now() - begun) / flightMs) * comments;
  setInterval(() => {
    while (added < due()) add(text(++added));
  }, TICK_MS);
  window.seen = () => ({ added, count: count(), elements: document.querySelectorAll('*').length });
};
