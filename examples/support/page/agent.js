// An agent: several talks, the team, and who waits. What was not looked at is not acknowledged,
// so it is there again after a reload, whichever window that is in.

import { Barrage } from 'http://127.0.0.1:8080/client.mjs';
import { $, SERVER, element, line, note, seen, send, showState, typing, upload } from './talk.js';

const TEAM = 'team';
const talks = new Map([[TEAM, talk('Team')]]); // by user: what was said, and how much is unread
const inbox = []; // direct messages in their order, until they are acknowledged
let client, token, team, desk, name, type;
let shown = TEAM;

function talk(title) {
  return { title, lines: [], unread: 0 };
}

$('login').onsubmit = async (event) => {
  event.preventDefault();
  name = $('name').value;
  const response = await fetch(`/agent?name=${encodeURIComponent(name)}&avatar=${$('avatar').value}`, { method: 'POST' });
  token = await response.json();
  $('login').hidden = true;
  $('desk').hidden = false;
  $('me').textContent = name;
  client = new Barrage(SERVER, { token, manualAck: true });
  showState(client);
  type = typing(client, () => shown !== TEAM && shown);
  client.on('direct', heard);
  team = client.room(TEAM, { history: 50 });
  team.on('message', ({ kind, data, sender, time, own }) => {
    if (kind === 'queue') return drawQueue(data);
    // A message of a group belongs to the group, whoever says it.
    add(TEAM, line({ who: sender.name, avatar: sender.avatar, data, time, own }));
    if (shown !== TEAM) talks.get(TEAM).unread++;
    drawTalks();
  });
  be();
  drawTalks();
};

// heard sorts what comes into talks.
function heard(m) {
  const from = m.sender?.user;
  if (m.kind === 'typing') return shown === from && type(true);
  if (m.kind === 'seen') return seen(talks.get(from)?.lines ?? []);
  inbox.push({ m, read: m.kind !== 'chat' });
  if (m.kind === 'chat') {
    if (!talks.has(from)) talks.set(from, talk(m.sender.name));
    talks.get(from).unread++;
    add(from, line({ who: m.sender.name, data: m.data, time: m.time }));
    if (shown === from) read(from);
  } else if (m.data?.text) add(TEAM, note(m.data.text, 'good'));
  acknowledge();
  drawTalks();
}

// read is for what is looked at: the customer sees that it is.
function read(user) {
  const here = talks.get(user);
  if (here.unread && user !== TEAM) client.send(user, null, { kind: 'seen', forget: true }).catch(() => {});
  here.unread = 0;
  type?.(false);
  for (const entry of inbox) if (entry.m.sender?.user === user) entry.read = true;
  acknowledge();
}

// acknowledge is up to the first that was not read: an acknowledgement covers all before it.
function acknowledge() {
  let last;
  while (inbox[0]?.read) last = inbox.shift().m;
  if (last?.epoch) client.ack(last);
}

function add(user, item) {
  talks.get(user).lines.push(item);
  if (user === shown) $('lines').append(item);
  item.scrollIntoView({ block: 'nearest' });
  return item;
}

function choose(user) {
  shown = user;
  read(user);
  $('title').textContent = talks.get(user).title;
  $('close').hidden = user === TEAM;
  $('lines').replaceChildren(...talks.get(user).lines);
  drawTalks();
}

function drawTalks() {
  $('talks').replaceChildren(...[...talks].map(([user, { title, unread }]) => {
    const button = element('button', user === shown ? 'main' : '', title);
    if (unread) button.append(' ', element('span', 'badge', String(unread)));
    button.onclick = () => choose(user);
    return button;
  }));
}

function drawQueue(list) {
  $('count').textContent = list.length;
  $('queue').replaceChildren(...list.map((customer) => {
    const button = element('button', '', `Take ${customer.name}`);
    button.onclick = () => ask('desk.take', customer.user).then(() => {
      if (!talks.has(customer.user)) talks.set(customer.user, talk(customer.name));
      choose(customer.user);
    });
    return button;
  }));
}

async function ask(method, customer) {
  try {
    return await client.request(method, { customer, name });
  } catch (error) {
    $('answer').textContent = error.message;
    throw error;
  }
}

// be is how this agent appears at the desk; hidden, they see and are not seen.
async function be() {
  const status = $('status').value;
  await desk?.leave();
  desk = client.room('desk', { presence: true, hidden: status === 'hidden' });
  const draw = async () => {
    const { list } = await desk.presence();
    $('people').replaceChildren(...list.map((p) => element('span', 'pill plain', `${p.name} · ${p.status ?? 'online'}`)));
  };
  desk.on('presence', draw);
  await desk.joined();
  if (status !== 'hidden') await desk.setStatus(status, { sign: $('sign').value });
  draw();
}
$('status').onchange = be;

$('composer').onsubmit = (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  $('text').value = '';
  if (!text) return;
  if (shown === TEAM) team.publish({ text });
  else say({ text });
};
$('file').onchange = async () => say(await upload(token, $('file').files[0]));

function say(data) {
  const to = shown;
  return send(client, to, data, (item) => add(to, item));
}

$('close').onclick = () => ask('desk.close', shown).then(() => {
  talks.delete(shown);
  choose(TEAM);
});
