// Puts the page together: one room at a time, its connection, its count, and
// the places where its comments are shown.

import { Backdrop } from './backdrop.js';
import { clean, MAX_NICK, read } from './comment.js';
import { Composer } from './composer.js';
import { Counter } from './count.js';
import { Danmaku } from './danmaku.mjs';
import { sentence } from './gap.js';
import { Log } from './log.js';
import { Session } from './session.js';
import { load, roomProblem, save } from './settings.js';
import { Status } from './status.js';
import { keepToken, takeToken, tokenProblem } from './token.js';

const $ = (id) => document.getElementById(id);

const settings = load(location.search);
const danmaku = new Danmaku($('stage'), { fill: 'spread' });
$('stage').danmaku = danmaku; // for the console, and for tests: what flies is on a canvas
const log = new Log($('log'), $('total'));
const status = new Status({ root: $('state'), text: $('state-text'), wait: $('state-wait'), reconnect: $('reconnect') });
const backdrop = new Backdrop($('backdrop'));
const calm = matchMedia('(prefers-reduced-motion: reduce)');

const entries = new WeakMap(); // of own comments, in the list
let state = { name: 'idle' };

const session = new Session({ state: showState, message: showMessage, own: showOwn, gap: showGap, counts: ({ connections }) => showCount(connections), needsToken: askForToken });
const counter = new Counter(() => session.count(), showCount);

const composer = new Composer($('composer'), {
  hint: $('hint'),
  left: $('left'),
  nick: settings.nick,
  color: settings.color,
  deliver: (comment) => session.publish(comment),
  onChoice: (choice) => keep(choice),
});

function keep(changes) {
  Object.assign(settings, changes);
  save(settings);
}

function join(room) {
  counter.stop();
  danmaku.clear();
  log.clear();
  showCount(null);
  $('welcome').hidden = false;
  $('join').hidden = true;
  document.title = `${room} · Barrage`;
  history.replaceState(null, '', `?room=${encodeURIComponent(room)}`);
  keep({ room });
  session.join(room);
}

function tryJoin(room) {
  const problem = roomProblem(room);
  $('room-problem').textContent = problem;
  $('room').setAttribute('aria-invalid', String(problem !== ''));
  if (problem === '') join(room);
}

function showState(next) {
  state = next.name === 'stopped' ? { ...next, reason: clean(next.reason, 80) } : next;
  status.show(state);
  if (state.name === 'open') $('token-form').hidden = true;
  count();
}

// count asks who is here only while there is somebody to tell.
function count() {
  if (state.name === 'open' && !document.hidden) counter.start();
  else counter.stop();
  if (state.name !== 'open') showCount(null);
}

function showCount(members) {
  $('count').textContent = members === null ? '–' : members.toLocaleString('en');
}

// What was said before the visitor came is only listed; what was missed meanwhile flies, too.
function showMessage({ data, own, past, sender }, late) {
  const comment = read(data);
  if (comment) show({ ...comment, nick: comment.nick || clean(sender?.name ?? '', MAX_NICK) }, own, !past || late);
}

// showOwn shows an own comment at once, and then what becomes of it.
function showOwn(own) {
  const known = entries.get(own);
  if (!known) entries.set(own, show(read(own.data), true, true));
  const why = own.state === 'failed' ? ` not sent: ${clean(own.error.message, 80)}` : '';
  log.mark(entries.get(own), own.state, why);
  if (why) composer.say(`A comment was${why}.`);
}

function show(comment, own, flies) {
  $('welcome').hidden = true;
  if (flies && !calm.matches) danmaku.show({ ...comment, own });
  return log.add(comment, own);
}

function showGap(gap) {
  const text = sentence(gap);
  log.note(text);
  composer.say(text);
}

function askForToken(reason) {
  $('token-form').hidden = false;
  $('token-problem').textContent = clean(reason, 80);
  $('token').focus();
}

function useToken(token) {
  keepToken(token);
  $('token-form').hidden = true;
  session.use(token);
}

function showPanel() {
  const open = calm.matches || settings.panel;
  $('panel').hidden = !open;
  $('panel-toggle').setAttribute('aria-expanded', String(open));
  document.body.classList.toggle('with-panel', open);
}

function showMotion() {
  document.body.classList.toggle('calm', calm.matches);
  backdrop.moving = !calm.matches;
  showPanel();
}

function listen() {
  const room = $('room');
  $('room-form').addEventListener('submit', (event) => {
    event.preventDefault();
    tryJoin(room.value.trim().normalize('NFC'));
  });
  room.addEventListener('input', () => {
    $('join').hidden = state.name !== 'idle' && room.value.trim().normalize('NFC') === settings.room;
    $('room-problem').textContent = '';
  });
  $('panel-toggle').addEventListener('click', () => {
    keep({ panel: !settings.panel });
    showPanel();
  });
  $('reconnect').addEventListener('click', () => session.reconnect());
  $('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const token = $('token').value.trim();
    $('token-problem').textContent = tokenProblem(token);
    if (tokenProblem(token) === '') useToken(token);
  });
  addEventListener('hashchange', () => useToken(takeToken()));
  calm.addEventListener('change', showMotion);
  addEventListener('online', () => status.show(state));
  addEventListener('offline', () => status.show(state));
  document.addEventListener('visibilitychange', count);
}

listen();
showMotion();
status.show(state);
$('room').value = settings.room;
session.use(takeToken());
tryJoin(settings.room);
if (matchMedia('(pointer: fine)').matches) $('text').focus();
