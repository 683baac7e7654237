// The map of one merchant's seats. What comes is only "refresh": the map itself is read from
// the merchant's own program, so one that is missed or comes twice does no harm.

import { Barrage } from 'http://127.0.0.1:8080/client.mjs';

const KEY = 'bk_lUIQ292Gd0xP2F5OB7v4bS7-KvgCT8vBMQaWvvixmYo'; // it can listen, and only here
const SPREAD_MS = 150; // not all pages read the map in the same moment

const $ = (id) => document.getElementById(id);
const own = new Set();

// As ever: the page asks whose it is, then says so by the room that it joins.
const cinema = new URLSearchParams(location.search).get('cinema') ?? '1';
const { merchantId } = await (await fetch(`/merchant?cinema=${encodeURIComponent(cinema)}`, { method: 'POST' })).json();
$('merchant').textContent = merchantId;

const client = new Barrage('ws://127.0.0.1:8080/ws', { token: KEY });
client.on('state', ({ state }) => {
  $('state').textContent = state;
  $('state').dataset.state = state;
});
const room = client.room(`merchantId_${merchantId}`, { history: 1 });
room.on('message', ({ data }) => {
  if (data !== 'refresh') return;
  $('refreshed').textContent = Number($('refreshed').textContent) + 1;
  setTimeout(draw, Math.random() * SPREAD_MS);
});
room.on('joined', draw);

async function draw() {
  const { plan, taken } = await (await fetch(`/map?merchantId=${encodeURIComponent(merchantId)}`)).json();
  $('free').textContent = plan.length - (taken?.length ?? 0);
  $('seats').replaceChildren(...plan.map((seat) => {
    const button = Object.assign(document.createElement('button'), { textContent: seat, disabled: taken?.includes(seat) ?? false });
    button.classList.toggle('own', own.has(seat));
    button.onclick = () => reserve(seat);
    return button;
  }));
}

async function reserve(seat) {
  try {
    await client.request('seat.reserve', { merchant: merchantId, seat });
    own.add(seat);
    $('answer').textContent = `Seat ${seat} is yours.`;
  } catch ({ message }) {
    $('answer').textContent = message;
  }
}
