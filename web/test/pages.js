// What the browser tests do with a page, and look for in it.

export const PATIENCE = { timeout: 60_000 };

// A connection that a test cuts is an error to the browser, and none of the page.
const CUT = /WebSocket connection to .* failed|net::ERR_(?:CONNECTION|EMPTY|INTERNET|NETWORK|INCOMPLETE|SOCKET)/;

// openPage shows the page to a new visitor. What went wrong in it is kept in page.troubles:
// errors, all that the console says of such, and what the security policy refused.
export async function openPage(t, browser, url, room, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE.timeout);
  watch(page);
  await page.goto(`${options.url ?? url}/?room=${encodeURIComponent(room)}`);
  return page;
}

export function watch(page) {
  page.troubles = [];
  page.on('pageerror', (error) => page.troubles.push(error.message));
  page.on('console', (message) => {
    const text = message.text();
    if ((message.type() === 'error' || /content security policy/i.test(text)) && !CUT.test(text)) page.troubles.push(text);
  });
}

export async function connected(page) {
  await page.waitForSelector('#state[data-state="open"]');
}

export async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

export const texts = (page) => page.locator('#log li:not(.note) .text').allTextContents();

// logged waits for a comment in the list, flown for one on the stage: both have
// the nickname and the text as they are.
export async function logged(page, nick, text) {
  const there = ([nick, text]) =>
    Array.from(document.querySelectorAll('#log li:not(.note)')).some(
      (entry) => entry.querySelector('.nick').textContent === nick && entry.querySelector('.text').textContent === text,
    );
  await page.waitForFunction(there, [nick, text], PATIENCE);
}

export async function flown(page, nick, text) {
  const there = ([nick, text]) =>
    document.querySelector('#stage').danmaku.shown.some(({ comment }) => comment.nick === nick && comment.text === text);
  await page.waitForFunction(there, [nick, text], PATIENCE);
}

export const onStage = (page) => page.evaluate(() => document.querySelector('#stage').danmaku.shown.length);
