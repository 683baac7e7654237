// The boards (S15): real browser and server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Example, quiet, until } from './harness.js';

let boards;

before(async () => {
  boards = await Example.start('boards', '-every', '400ms');
});
after(() => boards?.stop());

async function open(t, name) {
  const page = await boards.open(t, `/${name}.html`);
  await page.waitForSelector('#state[data-state="open"]');
  return page;
}

// changes waits until a page says something else than before.
async function changes(page, read) {
  const first = await page.evaluate(read);
  await until('it changes', async () => await page.evaluate(read) !== first);
}

test('boards', async (t) => {
  await t.test('S15: live quotes', async () => {
    const page = await open(t, 'quotes');
    await page.waitForSelector('#quotes tr:has-text("BRG") .price');
    await changes(page, () => document.querySelector('.price').textContent);
    quiet(page);
    await page.context().close();
  });
  await t.test('S15: dashboard, and order alerts', async () => {
    const page = await open(t, 'orders');
    await page.waitForSelector('#bars span');
    const total = Number(await page.textContent('#total'));
    await fetch(`${boards.page}/order`, { method: 'POST' });
    await until('there are more orders', async () => Number(await page.textContent('#total')) > total);
    await page.waitForSelector('#alert:has-text("New order: no. ")');
    await boards.picture(page);
    quiet(page);
    await page.context().close();
  });
  await t.test('S15: location tracking', async () => {
    const page = await open(t, 'courier');
    await page.waitForSelector('#courier:not([cx="-9"])');
    await changes(page, () => document.getElementById('courier').getAttribute('cx'));
    assert.ok((await page.getAttribute('#way', 'points')).split(' ').length > 1);
    quiet(page);
    await page.context().close();
  });
  await t.test('S15: auction', async () => {
    const [ann, bob] = [await open(t, 'auction'), await open(t, 'auction')];
    const bid = async (page, name, amount) => {
      await page.fill('#name', name);
      await page.fill('#amount', String(amount));
      await page.click('#bid button');
    };
    await bid(ann, 'Ann', 55);
    await ann.waitForSelector('#answer:text-is("Yours at 55, for now.")');
    for (const page of [ann, bob]) await page.waitForSelector('#bidder:has-text("Ann, bid no. 1")');
    await bid(bob, 'Bob', 50);
    await bob.waitForSelector('#answer:text-is("The price is 55 already.")');
    const late = await open(t, 'auction');
    await late.waitForSelector('#price:text-is("55")');
    quiet(ann, bob, late);
    for (const page of [ann, bob, late]) await page.context().close();
  });
  await t.test('S15: QR login', async () => {
    const page = await open(t, 'login');
    const link = await page.waitForSelector('#phone[href]').then((e) => e.getAttribute('href'));
    await until('the code is a picture', () => page.evaluate(() => document.getElementById('code').naturalWidth > 0));
    const phone = await boards.open(t, link);
    await phone.click('#confirm');
    await page.waitForSelector('#who:text-is("Hello Ann, you are logged in.")');
    await phone.click('#confirm'); // once more
    await phone.waitForSelector('#answer:text-is("This code is over.")');
    phone.troubles = phone.troubles.filter((text) => !text.includes('410 (Gone)')); // as it should be
    quiet(page, phone);
  });
});
