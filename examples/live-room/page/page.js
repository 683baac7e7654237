// A viewer of the live room. The anchor is one, too.

import { Barrage } from 'http://127.0.0.1:8080/client.mjs';
import { Danmaku } from 'http://127.0.0.1:8080/danmaku.mjs';

const ANONYMOUS = '匿名';
const PROPS = { ROCKET: { name: 'Rocket', icon: '🚀' }, HEART: { name: 'Heart', icon: '💖' } };
const MAX_LINES = 200;
const COUNT_MS = 2000;

const $ = (id) => document.getElementById(id);
const danmaku = new Danmaku($('stage'), { fill: 'spread' });
$('stage').danmaku = danmaku; // for the console, and for tests: what flies is on a canvas
let client, room;
let me = {};
let avatar; // what was chosen at the login
const own = new Map(); // lines of one's own, by the key of the message

enter();
setInterval(() => room.count().then(count, () => {}), COUNT_MS); // nobody is nobody's user: presence does not tell of them

// enter connects, as whoever the token says, or as nobody.
function enter(token) {
  client?.close();
  $('lines').replaceChildren();
  own.clear();
  client = new Barrage('ws://127.0.0.1:8080/ws', token ? { token } : {});
  client.on('state', ({ state }) => {
    $('state').textContent = state;
    $('state').dataset.state = state;
  });
  client.on('welcome', ({ user, name }) => {
    me = { user, name };
    $('me').textContent = name ?? ANONYMOUS;
  });
  room = client.room('live:1', { history: 30, presence: true, optimistic: true });
  room.on('message', show);
  room.on('own', showOwn);
  room.on('gap', ({ reason }) => note(`some comments are missing (${reason})`));
  room.on('presence', (change) => {
    count(change);
    const who = change.join ?? change.leave;
    if (who && who.user !== me.user) note(`${who.name ?? who.user} ${change.join ? 'came' : 'went'}`);
    hereNow();
  });
  room.on('joined', () => {
    count(room);
    hereNow();
  });
}

// show is for what others say: comments, gifts, announcements, and what PHP publishes.
function show(m) {
  if (m.kind === 'notice') return note(m.data, 'good');
  const nick = m.sender?.name ?? ANONYMOUS;
  const gift = m.kind === 'prop' && PROPS[m.data];
  if (gift) {
    line({ nick, avatar: m.sender?.avatar, text: `sends a ${gift.name} ${gift.icon}`, kind: 'gift' });
    if (!m.past) danmaku.gift({ ...gift, nick, sender: m.sender?.user });
  } else if ((m.kind ?? 'comment') === 'comment' && typeof m.data === 'string') {
    line({ nick, avatar: m.sender?.avatar, text: m.data, mine: m.own });
    if (!m.past) danmaku.show({ text: m.data, nick, own: m.own });
  }
}

// showOwn is for what this window says: at once, and again when its fate is known. The
// others get the same bytes each, and nothing is made for the sender alone.
function showOwn(o) {
  const gift = o.kind === 'prop' && PROPS[o.data];
  if (!own.has(o.key)) {
    const text = gift ? `sends a ${gift.name} ${gift.icon}` : o.data;
    own.set(o.key, line({ nick: 'me', avatar, text, kind: gift ? 'gift' : '', mine: true }));
    if (gift) danmaku.gift({ ...gift, nick: me.name ?? ANONYMOUS, sender: me.user });
    else danmaku.show({ text: o.data, own: true });
  }
  const item = own.get(o.key);
  item.classList.toggle('pending', o.state === 'pending');
  item.classList.toggle('failed', o.state === 'failed');
  item.querySelector('.mark').textContent = { pending: '…', sent: '✓', failed: '✗' }[o.state];
}

async function send(data, kind) {
  try {
    const { offset } = await room.publish(data, { kind });
    $('received').textContent = `RECEIVED: ${data} (no. ${offset})`;
  } catch ({ code, message }) {
    $('received').textContent = `NOT SENT: ${code}, ${message}`;
  }
}

async function hereNow() {
  const { list, users } = await room.presence().catch(() => ({ list: [], users: 0 }));
  $('users').textContent = users;
  $('people').replaceChildren(...list.map((p) => {
    const pill = element('span', 'pill');
    pill.append(face(p.avatar), p.name ?? p.user);
    return pill;
  }));
}

function count({ connections }) {
  $('count').textContent = connections;
}

function line({ nick, avatar, text, kind = '', mine = false }) {
  const item = element('li', `line ${kind}${mine ? ' own' : ''}`);
  item.append(face(avatar), element('span', 'who', nick), element('span', 'mark'), element('span', 'text', text));
  return add(item);
}

const note = (text, tone = '') => add(element('li', `note ${tone}`, text));

function add(item) {
  $('lines').append(item);
  if ($('lines').children.length > MAX_LINES) $('lines').firstChild.remove();
  item.scrollIntoView({ block: 'nearest' });
  return item;
}

// face is a picture of this site's own, whatever host a sender names.
function face(avatar) {
  const img = element('img');
  img.src = avatar ? new URL(avatar).pathname : '/avatars/nobody.svg';
  img.alt = '';
  return img;
}

function element(name, classes = '', text = '') {
  return Object.assign(document.createElement(name), { className: classes.trim(), textContent: text });
}

$('composer').onsubmit = (event) => {
  event.preventDefault();
  if ($('text').value.trim()) send($('text').value.trim(), 'comment');
  $('text').value = '';
};
for (const button of document.querySelectorAll('[data-prop]')) button.onclick = () => send(button.dataset.prop, 'prop');

$('login').onsubmit = async (event) => {
  event.preventDefault();
  const response = await fetch('/login', { method: 'POST', body: JSON.stringify({ name: $('name').value, avatar: $('avatar').value }) });
  if (!response.ok) return note(await response.text(), 'bad');
  const login = await response.json();
  avatar = login.avatar;
  enter(login.token);
  $('login').hidden = true;
};
