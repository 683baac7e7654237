// A screen that listens, and beside it what publishes to it. Only the screen's key would be in
// a page of a real shop.

import { Barrage } from 'http://127.0.0.1:8080/client.mjs';

const SCREEN = 'bk_fSH7ovZGEmdvoiGXSWeaoyS8UybiblqtHVy4TdkSZlk';
const COMMON = 'bk_lvPsIOeBwrH3xUPyWs2b8OW8ol2MhZ8XTo3FS-bPGQc';

const $ = (id) => document.getElementById(id);
let client;

listen();
$('region').onchange = listen;

// listen connects to the region that was chosen. Its nodes have the same rooms.
function listen() {
  client?.close();
  $('lines').replaceChildren();
  client = new Barrage(`${$('region').value}/ws`, { token: SCREEN });
  client.on('state', ({ state }) => {
    $('state').textContent = state;
    $('state').dataset.state = state;
  });
  for (const name of ['shop:orders', 'shop:doors']) client.room(name, { history: 20 }).on('message', show);
  client.room('shop:clock').on('message', (m) => ($('beat').textContent = m.data));
}

function show({ room, data, time, past }) {
  const item = element('li', `line${past ? ' pending' : ''}`);
  item.append(element('span', 'face', room === 'shop:doors' ? '🚪' : '🧾'), element('span', 'who', room), element('time', '', new Date(time).toLocaleTimeString()));
  const text = element('span', 'text', typeof data === 'string' ? data : data?.text ?? '');
  if (data?.image) {
    item.classList.add('picture');
    text.append(Object.assign(element('img'), { src: data.image, alt: '' }));
  }
  item.append(text);
  $('lines').append(item);
  item.scrollIntoView({ block: 'nearest' });
}

async function post(key, message) {
  const response = await fetch(`${$('region').value}/publish`, { method: 'POST', headers: { Authorization: `Bearer ${key}` }, body: JSON.stringify(message) });
  const answer = await response.json();
  return answer.error ? `refused: ${answer.error.code}, ${answer.error.message}` : `published as no. ${answer.offset}`;
}

$('common').onsubmit = async (event) => {
  event.preventDefault();
  $('answer').textContent = await post(COMMON, { room: $('room').value, data: $('text').value });
};
$('picture').onclick = async () => ($('answer').textContent = await post(COMMON, { room: $('room').value, data: { text: 'Today', image: '/mug.svg' } }));
$('refused').onclick = async () => {
  const answered = await client.room('shop:orders').publish('mine').then(() => 'published', ({ code, message }) => `refused: ${code}, ${message}`);
  $('refusal').textContent = answered;
};

function element(name, classes = '', text = '') {
  return Object.assign(document.createElement(name), { className: classes, textContent: text });
}
