// Puts the page together: one room at a time, its connection, its count, and
// the places where its comments are shown.

import { Backdrop } from './backdrop.js';
import { clean, parse } from './comment.js';
import { Composer } from './composer.js';
import { Counter } from './count.js';
import { Danmaku } from './danmaku.mjs';
import { Log } from './log.js';
import { load, roomProblem, save } from './settings.js';
import { Connection } from './socket.js';
import { Status } from './status.js';

const $ = (id) => document.getElementById(id);

const settings = load(location.search);
const danmaku = new Danmaku($('stage'), { fill: 'spread' });
$('stage').danmaku = danmaku; // for the console, and for tests: what flies is on a canvas
const log = new Log($('log'), $('total'));
const status = new Status({ root: $('state'), text: $('state-text'), wait: $('state-wait'), reconnect: $('reconnect') });
const backdrop = new Backdrop($('backdrop'));
const calm = matchMedia('(prefers-reduced-motion: reduce)');

let connection = null;
let counter = null;
let state = { name: 'idle' };

const composer = new Composer($('composer'), {
  hint: $('hint'),
  left: $('left'),
  nick: settings.nick,
  color: settings.color,
  deliver: (frame) => connection?.send(frame) ?? false,
  onChoice: (choice) => keep(choice),
});

function keep(changes) {
  Object.assign(settings, changes);
  save(settings);
}

function join(room) {
  connection?.stop();
  counter?.stop();
  danmaku.clear();
  log.clear();
  showCount(null);
  $('welcome').hidden = false;
  $('join').hidden = true;
  document.title = `${room} · Barrage`;
  history.replaceState(null, '', `?room=${encodeURIComponent(room)}`);
  keep({ room });
  counter = new Counter(room, showCount);
  const url = new URL(`./ws?room=${encodeURIComponent(room)}`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  connection = new Connection({ url: url.href, onState: showState, onText: showComment });
  connection.start();
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
  count();
}

// count asks who is here only while there is somebody to tell.
function count() {
  if (state.name === 'open' && !document.hidden) counter.start();
  else counter?.stop();
  if (state.name !== 'open') showCount(null);
}

function showCount(members) {
  $('count').textContent = members === null ? '–' : members.toLocaleString('en');
}

function showComment(payload) {
  const comment = parse(payload);
  if (!comment) return;
  const own = composer.recognise(comment);
  $('welcome').hidden = true;
  if (!calm.matches) danmaku.show({ ...comment, own });
  log.add(comment, own);
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
    $('join').hidden = connection !== null && room.value.trim().normalize('NFC') === settings.room;
    $('room-problem').textContent = '';
  });
  $('panel-toggle').addEventListener('click', () => {
    keep({ panel: !settings.panel });
    showPanel();
  });
  $('reconnect').addEventListener('click', () => connection.start());
  calm.addEventListener('change', showMotion);
  addEventListener('online', () => connection?.renew());
  addEventListener('offline', () => status.show(state));
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) connection?.retryNow();
    count();
  });
}

listen();
showMotion();
status.show(state);
$('room').value = settings.room;
tryJoin(settings.room);
if (matchMedia('(pointer: fine)').matches) $('text').focus();
