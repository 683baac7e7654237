// Puts the page together: its rooms, their connection, and the places where what is said
// in them is shown.

import { Backdrop } from './backdrop.js';
import { Chat } from './chat.js';
import { clean, MAX_NICK, read } from './comment.js';
import { Composer } from './composer.js';
import { Counter } from './count.js';
import { Danmaku } from './danmaku.mjs';
import { sentence } from './gap.js';
import { Likes, readGift } from './gift.js';
import { number, t, translate } from './messages.js';
import { People } from './people.js';
import { Rooms } from './rooms.js';
import { Session } from './session.js';
import { load, MAX_ROOMS, roomProblem, save } from './settings.js';
import { Shell } from './shell.js';
import { Status } from './status.js';
import { keepToken, takeToken, tokenProblem } from './token.js';

const $ = (id) => document.getElementById(id);

translate(document);
const settings = load(location.search);
const danmaku = new Danmaku($('stage'), { fill: 'spread' });
$('stage').danmaku = danmaku; // for the console, and for tests: what flies is on a canvas
const status = new Status({ root: $('state'), text: $('state-text'), wait: $('state-wait'), reconnect: $('reconnect') });
const backdrop = new Backdrop($('backdrop'));
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const people = new People($('people-list'), $('people-rest'));

const views = new Map(); // by room: {chat, likes}
const entries = new WeakMap(); // of own comments, in the list
let me = { name: '' };
let state = { name: 'idle' };

const session = new Session({ state: showState, welcome: showMe, message: showMessage, own: showOwn, gap: showGap, needsToken: askForToken });
const counter = new Counter(ask, showCount);
const rooms = new Rooms($('rooms'), { choose: look, leave });
const shell = new Shell(
  {
    theatre: $('theatre'), theme: $('theme'), toggle: $('panel-toggle'), panel: $('panel'), full: $('full'), style: $('style'),
    tabs: [$('tab-chat'), $('tab-people')], scroll: $('scroll'), newest: $('newest'), text: $('text'),
  },
  settings,
  { keep, onTab: count },
);
const composer = new Composer($('composer'), {
  hint: $('hint'),
  left: $('left'),
  nick: settings.nick,
  color: settings.color,
  mode: settings.mode,
  deliver: (data, options) => session.publish(data, options),
  onChoice: keep,
});
const likes = new Likes($('rising'), (data) => composer.give(data, { kind: 'like', forget: true }));

function keep(changes) {
  Object.assign(settings, changes);
  save(settings);
}

// enter joins a room beside the others, of which the oldest makes place, and looks at it.
function enter(room) {
  for (const other of settings.rooms) {
    if (!settings.rooms.includes(room) && settings.rooms.length >= MAX_ROOMS && other !== settings.room) leave(other);
  }
  keep({ rooms: [...new Set([...settings.rooms, room])] });
  sit(room);
  look(room);
}

function sit(room) {
  if (views.has(room)) return;
  const view = { chat: new Chat(() => showTotals(room)), likes: 0 };
  views.set(room, view);
  rooms.add(room);
  session.join(room);
}

function leave(room) {
  session.leave(room);
  rooms.remove(room);
  views.delete(room);
  keep({ rooms: settings.rooms.filter((other) => other !== room) });
  if (room === settings.room) look(settings.rooms.at(-1));
}

function look(room) {
  counter.stop();
  danmaku.clear();
  showCount(null);
  keep({ room });
  const { chat } = views.get(room);
  document.getElementById('log')?.removeAttribute('id');
  chat.list.id = 'log';
  $('scroll').replaceChildren(chat.list);
  $('welcome').hidden = chat.list.childElementCount > 0;
  rooms.look(room);
  document.title = `${clean(room, 40)} · Barrage`;
  history.replaceState(null, '', `?room=${encodeURIComponent(room)}`);
  showTotals(room);
  session.look(room);
}

function tryEnter(room) {
  const problem = roomProblem(room);
  $('room-problem').textContent = problem;
  $('room').ariaInvalid = String(problem !== '');
  if (problem === '') enter(room);
  return problem === '';
}

function showState(next) {
  state = next.name === 'stopped' ? { ...next, reason: clean(next.reason, 80) } : next;
  status.show(state);
  if (state.name === 'open') $('token-dialog').close();
  count();
}

// showMe takes the name by which the server knows the visitor, if there is one.
function showMe({ user = '', name = '' }) {
  me = { name: clean(name || user, MAX_NICK) };
  composer.known(me.name);
}

// count asks who is here only while there is somebody to tell.
function count() {
  if (state.name === 'open' && !document.hidden) counter.start();
  else counter.stop();
  if (state.name !== 'open') showCount(null);
}

async function ask() {
  if (shell.tab !== 'tab-people') return session.count();
  const presence = await session.people().catch(() => null);
  people.show(presence);
  return presence ?? session.count();
}

function showCount(connections) {
  $('count').textContent = connections === null ? '–' : number(connections);
}

function showTotals(room) {
  if (room !== settings.room) return;
  const { chat, likes: given } = views.get(room);
  $('total').textContent = String(chat.total);
  $('likes').textContent = given > 0 ? number(given) : '';
}

// What was said before the visitor came is only listed; what was missed meanwhile flies, too.
function showMessage(room, { data, own, past, sender, time }, late) {
  const nick = clean(sender?.name || sender?.user || '', MAX_NICK);
  show(room, data, { nick, avatar: sender?.avatar, sender: sender?.user ?? sender?.conn, time }, own, !past || late);
  if (room !== settings.room && !past) rooms.missed(room);
}

// showOwn shows an own comment at once, and then what becomes of it.
function showOwn(room, own) {
  if (!entries.has(own)) entries.set(own, show(room, own.data, { nick: me.name, time: own.time }, true, true));
  const entry = entries.get(own);
  if (!entry) return;
  const reason = own.state === 'failed' ? clean(own.error.message, 80) : '';
  const why = own.state === 'failed' ? t('failed', { why: reason }) : t('pending');
  const again = () => session.publish(own.data, { key: own.key, ...(own.kind ? { kind: own.kind } : {}) });
  views.get(room)?.chat.mark(entry, own.state, why, reason ? again : null);
  if (reason) composer.say(t('aCommentFailed', { why: reason }));
}

// show returns the entry in the list, if there is one. The name that the server knows counts
// before what a comment says of itself.
function show(room, data, { nick, avatar, sender, time }, own, flies) {
  const view = views.get(room);
  const gift = readGift(data);
  const comment = gift ? null : read(data);
  const here = flies && room === settings.room && !calm.matches;
  if (!view || (!gift && !comment)) return null;
  if (gift?.likes) {
    view.likes += gift.likes;
    showTotals(room);
    if (here && !own) likes.rise(gift.likes);
    return null;
  }
  const said = { ...(comment ?? gift), avatar, time };
  said.nick = nick || said.nick;
  if (room === settings.room) $('welcome').hidden = true;
  if (here && gift) danmaku.gift({ ...gift, nick: said.nick || t('anonymous'), sender: sender ?? said.nick });
  else if (here) danmaku.show({ ...said, own, sender });
  return view.chat.add(said, own);
}

function showGap(room, gap) {
  const text = sentence(gap);
  views.get(room)?.chat.note(text);
  if (room === settings.room) composer.say(text);
}

function askForToken(reason) {
  $('token-problem').textContent = clean(reason, 80);
  if (!$('token-dialog').open) $('token-dialog').showModal();
  $('token').focus();
}

function useToken(token) {
  keepToken(token);
  $('token-dialog').close();
  session.use(token);
}

function showMotion() {
  shell.calm = calm.matches;
  backdrop.moving = !calm.matches;
}

function listen() {
  const room = $('room');
  $('room-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (tryEnter(room.value.trim().normalize('NFC'))) room.value = '';
  });
  room.addEventListener('input', () => {
    $('room-problem').textContent = '';
  });
  $('reconnect').addEventListener('click', () => session.reconnect());
  $('like').addEventListener('click', () => {
    likes.click();
    if (!calm.matches) likes.rise(1);
  });
  for (const button of document.querySelectorAll('[data-gift]')) {
    button.addEventListener('click', () => composer.give({ gift: button.dataset.gift }, { kind: 'gift' }));
  }
  $('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const token = $('token').value.trim();
    $('token-problem').textContent = tokenProblem(token);
    if (tokenProblem(token) === '') useToken(token);
  });
  $('token-close').addEventListener('click', () => $('token-dialog').close());
  addEventListener('hashchange', () => useToken(takeToken()));
  calm.addEventListener('change', showMotion);
  addEventListener('online', () => status.show(state));
  addEventListener('offline', () => status.show(state));
  document.addEventListener('visibilitychange', count);
}

listen();
showMotion();
status.show(state);
session.use(takeToken());
keep({ rooms: settings.rooms.filter((room) => roomProblem(room) === '') });
settings.rooms.forEach(sit);
if (!tryEnter(settings.room) && settings.rooms.length > 0) look(settings.rooms.at(-1));
if (matchMedia('(pointer: fine)').matches) $('text').focus();
