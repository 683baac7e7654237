// Takes the README's picture: node screenshot.mjs PATH [WIDTHxHEIGHT [panel]]
// Starts a server of its own, lets some comments fly, and saves what is seen.

import { launchBrowser, World } from './harness.js';

const ROOM = 'premiere';

const SCRIPT = [
  ['mika', 'here before the lights go down!', '#67e8f9'],
  ['Ana', 'row 7 says hi', '#f8fafc'],
  ['oskar', 'the sound in here is unreal', '#fde047'],
  ['guest-2210', 'first time here, hello all', '#f8fafc'],
  ['lin', 'HERE WE GOOO', '#fda4af'],
  ['tomas_k', 'hello from Prague', '#86efac'],
  ['', 'published with one line of redis-cli', ''],
  ['June', 'that sky though', '#c4b5fd'],
  ['yuki', 'everyone look left', '#67e8f9'],
  ['dana', 'wow', '#f8fafc'],
  ['Rafael', 'waving from the balcony', '#fdba74'],
  ['piotr', 'chills. every single time.', '#fda4af'],
  ['sam', 'encore encore encore', '#86efac'],
  ['noor', 'watching with my whole family tonight', '#f8fafc'],
  ['ivy', 'saved the best for last', '#fde047'],
  ['Leo', 'send one, it flies for everybody', '#67e8f9'],
  ['mika', 'goosebumps', '#c4b5fd'],
  ['bea', 'this song!!', '#fda4af'],
];

async function take(path, [width, height], panel) {
  const world = await World.start();
  try {
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage({ viewport: { width, height } });
      await page.goto(`${world.url}/?room=${ROOM}`);
      await page.waitForSelector('#state[data-state="open"]');
      if (panel) await page.click('#panel-toggle');
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
  await page.fill('#nick', 'you');
  await page.check('input[value="#86efac"]', { force: true });
  for (const [i, [nick, text, color]] of SCRIPT.entries()) {
    await world.publish(ROOM, nick ? JSON.stringify({ nick, text, color }) : text);
    if (i === 9) {
      await page.fill('#text', 'made it, popcorn and all');
      await page.press('#text', 'Enter');
    }
    await page.waitForTimeout(430);
  }
  await page.waitForTimeout(700);
}

const [path, size = '1280x720', panel] = process.argv.slice(2);
if (path) await take(path, size.split('x').map(Number), panel === 'panel');
else console.log('usage: node screenshot.mjs PATH [WIDTHxHEIGHT [panel]]');
