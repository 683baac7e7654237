// The dashboard: reads the server once a second and shows what is wrong first.

import * as acts from './acts.js';
import { alarms, expression, fires } from './alarms.js';
import { $, button, bytes, count, element, fill, seconds } from './dom.js';
import { Reading, Span } from './metrics.js';
import { draw, makePlots } from './plots.js';
import { ask, useToken } from './server.js';

const EVERY_MS = 1000;
const KEPT_MS = 60 * 60_000; // readings for alarms; one of ten is kept after the first minute
const RATE_MS = 5000; // rates are over the last five seconds

let readings = [];
let started = false;

const spanOf = (ms) => {
  const now = readings.at(-1);
  const from = readings.find((r) => now.at - r.at <= ms) ?? now;
  return new Span(from, now);
};

function remember(reading) {
  readings.push(reading);
  readings = readings.filter((r, i) => reading.at - r.at < 60_000 || (i % 10 === 0 && reading.at - r.at < KEPT_MS));
}

function figuresOf(now, span) {
  const deliveries = span.rate('messages_delivered_total');
  return {
    connections: now.sum('connections'),
    deliveries,
    calls: span.increase('messages_delivered_total') ? span.increase('sends_total') / span.increase('messages_delivered_total') : NaN,
    published: span.rate('messages_published_total'),
    p50: span.quantile('broadcast_duration_seconds', 0.5),
    p99: span.quantile('broadcast_duration_seconds', 0.99),
    skipped: span.rate('messages_skipped_total', 'reason', 'slow'),
    closedSlow: span.rate('connections_closed_total', 'reason', 'slow'),
    pending: now.sum('messages_pending'),
    memory: now.samples.get('process_resident_memory_bytes')?.[0].value ?? now.samples.get('go_memstats_sys_bytes')?.[0].value ?? NaN,
  };
}

const tile = (id, name, value, more, bad) =>
  element('article', { className: `card tile${bad ? ' wrong' : ''}`, id: `tile-${id}` }, element('h2', { textContent: name }), element('p', { className: 'figure', textContent: value }), element('p', { className: 'quiet', textContent: more }));

function showTiles(now, f) {
  $('tiles').replaceChildren(
    tile('connections', 'Connections', count(f.connections), `of ${count(now.sum('connections_max'))}, in ${count(now.sum('rooms'))} rooms`, f.connections >= 0.95 * now.sum('connections_max')),
    tile('deliveries', 'Deliveries a second', count(f.deliveries), `${count(f.published)} messages a second`),
    tile('sends', 'Sends for a delivery', Number.isNaN(f.calls) ? '–' : f.calls.toFixed(2), 'system calls; fewer is better'),
    tile('latency', 'To reach a room, p99', seconds(f.p99), `p50 ${seconds(f.p50)}`, f.p99 > 1),
    tile('slow', 'Skipped a second', count(f.skipped), `too slow for their room; ${count(f.pending)} deliveries wait`, f.skipped > 0),
  );
}

function definitions(id, pairs) {
  $(id).replaceChildren(...pairs.flatMap(([name, value]) => [element('dt', { textContent: name }), element('dd', { textContent: value })]));
}

function showParts(now, span) {
  definitions('redis', now.has('redis_probe_success') ? [
    ['answers', now.sum('redis_probe_success') ? 'yes' : 'no'],
    ['there and back', seconds(now.sum('redis_probe_seconds'))],
    ['messages waiting to go', count(now.sum('redis_publish_queue'))],
    ['from other nodes, a second', count(span.rate('redis_messages_received_total'))],
    ['rooms catching up', count(now.sum('redis_rooms_catching_up'))],
    ['gaps since the start', count(now.sum('redis_gaps_total'))],
    ['reconnects since the start', count(now.sum('redis_reconnects_total'))],
  ] : [['this is', 'a single node, without Redis']]);
  definitions('presence', [
    ['users in rooms here', count(now.sum('presence_users'))],
    ['connections with a name or barrage.v1', count(now.sum('clients'))],
    ['memberships', count(now.sum('memberships'))],
    ['other nodes that answer', count(now.sum('direct_nodes'))],
    ['counts of other nodes', now.sum('presence_store_down') ? 'cannot be had' : 'are known'],
  ]);
  definitions('events', now.has('events_waiting') ? [
    ['waiting', count(now.sum('events_waiting'))],
    ['their memory', bytes(now.sum('events_waiting_bytes'))],
    ['delivered, a second', count(span.rate('events_total', 'result', 'delivered'))],
    ['lost since the start', count(now.sum('events_total') - now.sum('events_total', 'result', 'delivered'))],
    ['batches sent again', count(now.sum('event_batches_retried_total'))],
  ] : [['no backend', 'is told of events']]);
}

function showAlarms(now, reasons) {
  const firing = alarms.filter((a) => fires(a, now, a.over ? spanOf(a.over * 60_000) : null));
  const rows = [
    ...reasons.map((why) => element('article', { className: 'alarm' }, element('h3', { textContent: why }), element('p', { textContent: 'as /readyz says' }))),
    ...firing.map((a) => element('article', { className: 'alarm' },
      element('h3', { textContent: a.because }),
      element('p', {}, element('strong', { textContent: 'Do: ' }), a.act.replaceAll('`', '')),
      element('code', { textContent: expression(a, '') }))),
  ];
  const text = JSON.stringify(rows.map((r) => r.textContent));
  if ($('firing').dataset.shown !== text) { // else a screen reader would say it every second
    $('firing').dataset.shown = text;
    $('firing').replaceChildren(...(rows.length ? rows : [element('p', { className: 'fine', textContent: 'Nothing, as far as this node can tell since you opened this page.' })]));
  }
  state(rows.length ? `${rows.length} wrong` : 'all is well', rows.length ? 'bad' : 'good');
}

function state(text, kind) {
  if ($('state').textContent !== text) $('state').textContent = text;
  $('state').className = `pill ${kind}`;
  document.title = `${kind === 'bad' ? '● ' : ''}Barrage: ${text}`;
}

const cell = (...what) => element('td', {}, ...what);
const number = (text) => element('td', { className: 'number', textContent: text });

async function showRooms() {
  const { rooms, total } = await ask(`/v1/rooms?limit=12&by=${$('by').value}`);
  fill($('rooms'), rooms.map((r) => element('tr', {}, element('th', { scope: 'row', textContent: r.room }), number(count(r.members)), number(count(r.rate)), number(bytes(r.bytes)), number(count(r.skipped)),
    element('td', { className: 'acts' },
      button('Notice', `Send a notice to ${r.room}`, () => acts.notice(r.room)),
      button('Mute', `Mute ${r.room}, or let it speak again`, () => acts.mute(r.room)),
      button('Close', `Close ${r.room}`, () => acts.closeRoom(r.room))))));
  $('rooms-more').textContent = total > rooms.length ? `and ${count(total - rooms.length)} more` : total ? '' : 'Nobody is in a room.';
}

async function showConnections() {
  const query = new URLSearchParams({ limit: '20' });
  for (const name of ['user', 'room']) if ($(`find-${name}`).value) query.set(name, $(`find-${name}`).value);
  const { connections, total } = await ask(`/v1/connections?${query}`);
  const room = $('find-room').value;
  fill($('connections'), connections.map((c) => element('tr', {},
    element('th', { scope: 'row', textContent: c.user || '(nobody)' }), cell(c.name ?? ''), cell(c.device ?? ''), cell(c.address ?? ''), cell(c.rooms.join(', ')),
    element('td', { className: 'acts' }, ...(c.user ? [
      ...(room || c.rooms.length ? [button('Kick', `Put ${c.user} out of ${room || c.rooms[0]}`, () => acts.kick(c.user, room || c.rooms[0]))] : []),
      button('Ban', `Ban ${c.user}`, () => acts.ban(c.user))] : [])))));
  $('connections-more').textContent = `${count(total)} with a name or barrage.v1, of this node.`;
}

async function showBans() {
  const { bans } = await ask('/v1/bans?limit=20');
  fill($('bans'), bans.map((b) => element('tr', {}, element('th', { scope: 'row', textContent: b.user ?? b.address }), cell(b.room ?? 'the server'), cell(b.reason ?? ''), cell(new Date(b.until).toLocaleString()),
    element('td', { className: 'acts' }, button('Let in', `Let ${b.user ?? b.address} in again`, () => acts.lift(b))))));
  $('bans-more').textContent = bans.length ? '' : 'Nobody.';
}

async function look() {
  const [text, ready] = await Promise.all([ask('/metrics'), fetch('/readyz', { cache: 'no-store' }).then((r) => r.json())]);
  const now = new Reading(text, Date.now());
  remember(now);
  const span = spanOf(RATE_MS);
  const figures = figuresOf(now, span);
  begin(now);
  showAlarms(now, ready.reasons ?? []);
  showTiles(now, figures);
  showParts(now, span);
  draw(now.at, figures);
  await Promise.all([showRooms(), showConnections(), showBans()]);
}

function begin(now) {
  if (started) return;
  started = true;
  $('login').hidden = true;
  $('board').hidden = false;
  $('version').textContent = now.label('build_info', 'version');
  makePlots();
}

function login(message) {
  useToken('');
  [started, readings] = [false, []];
  $('plots').replaceChildren();
  $('board').hidden = true;
  $('login').hidden = false;
  $('refused').textContent = message;
  state('no token', '');
  $('token').focus();
}

let tried = false;

async function loop() {
  try {
    if (document.visibilityState === 'visible') await look();
  } catch (error) {
    if (error.status === 401) return login(tried ? 'That is not it.' : '');
    state(error.status ? error.message : 'the node does not answer', 'bad');
  }
  setTimeout(loop, EVERY_MS);
}

$('login').addEventListener('submit', (event) => {
  event.preventDefault();
  useToken($('token').value.trim());
  $('token').value = '';
  tried = true;
  loop();
});
$('find').addEventListener('submit', (event) => event.preventDefault());
$('theme').addEventListener('click', () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === 'light' ? 'dark' : 'light';
});
loop();
