// A chat of several rooms. One connection has all of them; whose it is decides its first
// message.

import { Barrage } from 'http://127.0.0.1:8080/client.mjs';

const GROUPS = ['group:tea', 'group:cake'];

const $ = (id) => document.getElementById(id);
const rooms = new Map(); // by name: the room, its lines, how many are unread
let client;
let shown = GROUPS[0];

$('login').onsubmit = async (event) => {
  event.preventDefault();
  $('problem').textContent = '';
  $('alert').hidden = true;
  connect($('secret').value);
};

function connect(login) {
  client?.close();
  client = new Barrage('ws://127.0.0.1:8080/ws', { login });
  client.on('state', ({ state, code, reason }) => {
    $('state').textContent = state;
    $('state').dataset.state = state;
    if (state === 'open') $('alert').hidden = true;
    if (code) complain(`The connection was closed: ${state}, code ${code}${reason ? `, ${reason}` : ''}`);
    if (state === 'stopped') $('login').hidden = false;
  });
  client.on('error', ({ code, message }) => {
    $('problem').textContent = `${message} (${code})`;
  });
  client.on('welcome', ({ user, name, message }) => {
    if (!user) return; // the login is still to come
    $('me').textContent = name;
    $('login').hidden = true;
    $('chat').hidden = false;
    if (message) note(shown, message, 'good');
  });
  // What the program behind the chat says to this user alone.
  client.on('direct', ({ data }) => note(shown, data));
  rooms.clear();
  for (const name of GROUPS) enter(name);
  choose(shown);
}

function enter(name) {
  const room = client.room(name, { history: 50, presence: true });
  const here = { room, lines: [], unread: 0 };
  rooms.set(name, here);
  room.on('message', ({ data, sender, time, own }) => {
    const item = element('li', `line${own ? ' own' : ''}`);
    const who = sender?.name ?? sender?.user ?? '';
    item.append(element('span', 'face', who[0]), element('span', 'who', who), element('time', '', new Date(time).toLocaleString()), element('span', 'text', data));
    add(name, item);
    if (name !== shown) here.unread++;
    drawGroups();
  });
  room.on('presence', drawPeople);
  room.on('joined', drawPeople);
  room.on('gap', ({ reason }) => note(name, `some messages are missing (${reason})`));
}

function add(name, item) {
  rooms.get(name).lines.push(item);
  if (name === shown) $('lines').append(item);
  item.scrollIntoView({ block: 'nearest' });
}

const note = (name, text, tone = '') => add(name, element('li', `note ${tone}`, text));

function choose(name) {
  shown = name;
  const here = rooms.get(name);
  here.unread = 0;
  $('title').textContent = name;
  $('lines').replaceChildren(...here.lines);
  drawGroups();
  drawPeople();
}

function drawGroups() {
  $('groups').replaceChildren(...[...rooms].map(([name, { unread }]) => {
    const button = element('button', name === shown ? 'main' : '', name);
    if (unread) button.append(' ', element('span', 'badge', String(unread)));
    button.onclick = () => choose(name);
    return button;
  }));
}

async function drawPeople() {
  const { list } = await rooms.get(shown).room.presence().catch(() => ({ list: [] }));
  $('people').replaceChildren(...list.map((p) => element('span', 'pill plain', p.name ?? p.user)));
}

$('composer').onsubmit = async (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  $('text').value = '';
  if (text) await rooms.get(shown).room.publish(text).catch(({ code, message }) => note(shown, `${message} (${code})`, 'bad'));
};

function complain(text) {
  $('alert').textContent = text;
  $('alert').hidden = false;
}

function element(name, classes = '', text = '') {
  return Object.assign(document.createElement(name), { className: classes.trim(), textContent: text });
}
