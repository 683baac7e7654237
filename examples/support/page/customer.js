// A customer: one talk, with whoever takes the case.

import { Barrage } from 'http://127.0.0.1:8080/client.mjs';
import { $, SERVER, line, note, seen, send, showState, typing, upload } from './talk.js';

let client, token, agent;

$('login').onsubmit = async (event) => {
  event.preventDefault();
  const response = await fetch(`/enter?name=${encodeURIComponent($('name').value)}`, { method: 'POST' });
  sessionStorage.token = await response.json();
  begin();
};
if (sessionStorage.token) begin(); // back again

function begin() {
  token = sessionStorage.token;
  agent = sessionStorage.agent && JSON.parse(sessionStorage.agent);
  $('login').hidden = true;
  $('talk').hidden = false;
  client = new Barrage(SERVER, { token });
  showState(client);
  const type = typing(client, () => agent?.agent);
  const desk = client.room('desk', { presence: true, hidden: true });
  desk.on('presence', () => who(desk));
  desk.on('joined', () => who(desk));
  client.on('direct', ({ kind, data, sender, time }) => {
    if (kind === 'typing') return type(true);
    if (kind === 'seen') return seen($('lines').children);
    type(false);
    if (kind === 'assigned') {
      agent = data;
      sessionStorage.agent = JSON.stringify(data);
      who(desk);
      add(note(`${data.name} is with you`, 'good'));
    } else if (kind === 'chat') {
      add(line({ who: sender.name, avatar: sender.avatar, data, time }));
      client.send(sender.user, null, { kind: 'seen', forget: true }).catch(() => {});
    } else {
      add(note(data.text + (data.place ? ` You are no. ${data.place} in the queue.` : ''), kind === 'closed' ? 'good' : ''));
      if (kind === 'closed') sessionStorage.clear();
    }
  });
}

async function who(desk) {
  const { list } = await desk.presence().catch(() => ({ list: [] }));
  const here = list.find((p) => p.user === agent?.agent);
  if (agent) $('agent').textContent = `${agent.name} · ${here ? here.status ?? 'online' : 'not online'}${here?.data?.sign ? ` · ${here.data.sign}` : ''}`;
}

function add(item) {
  $('lines').append(item);
  item.scrollIntoView({ block: 'nearest' });
  return item;
}

$('composer').onsubmit = (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  $('text').value = '';
  if (text && agent) send(client, agent.agent, { text }, add);
};
$('file').onchange = async () => send(client, agent.agent, await upload(token, $('file').files[0]), add);
