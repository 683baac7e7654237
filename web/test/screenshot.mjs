// Takes the README's pictures: node screenshot.mjs PATH [WIDTHxHEIGHT [LANGUAGE]]
// Starts a server of its own, lets some comments fly, and saves what is seen. Chinese needs
// a font with it (fonts-wqy-zenhei).

import { launchBrowser, World } from './harness.js';

const ROOM = 'premiere';

const SCRIPT = [
  ['mika', 'here before the lights go down!', '#67e8f9'],
  ['小林', '这个灯光太绝了！', '#fde047'],
  ['Ana', 'row 7 says hi', '#f8fafc'],
  ['弹幕君', '前方高能！！！', '#fda4af'],
  ['oskar', 'the sound in here is unreal', '#fde047'],
  ['阿花', '第一次来，大家好', '#86efac'],
  ['', 'published with one line of redis-cli', ''],
  ['yuki', '鳥肌が立った', '#67e8f9'],
  ['omar', 'مرحبا من القاهرة', '#fdba74'],
  ['tomas_k', 'hello from Prague 🎉', '#86efac'],
  ['June', 'that sky though', '#c4b5fd'],
  ['团子', '火钳刘明', '#67e8f9'],
  ['Leo', 'send one, it flies for everybody', '#f8fafc'],
  ['bea', 'this song!!', '#fda4af'],
];

async function take(path, [width, height], locale) {
  const world = await World.start();
  try {
    const browser = await launchBrowser();
    try {
      const phone = width < 600 ? { isMobile: true, hasTouch: true } : {};
      const page = await browser.newPage({ viewport: { width, height }, locale, ...phone });
      await page.goto(`${world.url}/?room=${ROOM}`);
      await page.waitForSelector('#state[data-state="open"]');
      await play(world, page);
      await page.screenshot({ path });
    } finally {
      await browser.close();
    }
  } finally {
    await world.stop();
  }
}

async function play(world, page) {
  for (const [i, [nick, text, color]] of SCRIPT.entries()) {
    await world.publish(ROOM, nick ? JSON.stringify({ nick, text, color }) : text);
    if (i === 4) {
      await page.fill('#text', 'popcorn ready 🍿');
      await page.press('#text', 'Enter');
    }
    await page.waitForTimeout(430);
  }
  await page.waitForTimeout(700);
}

const [path, size = '1280x720', locale = 'en'] = process.argv.slice(2);
if (path) await take(path, size.split('x').map(Number), locale);
else console.log('usage: node screenshot.mjs PATH [WIDTHxHEIGHT [LANGUAGE]]');
