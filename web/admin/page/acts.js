// What an operator does to rooms and viewers. Each is asked about once more, and told.

import { $ } from './dom.js';
import { ask } from './server.js';

const part = encodeURIComponent;
const json = (reason, keep) => ({ ...(reason && { reason }), ...(keep && { for: keep }) });

// confirm asks whether, and with which words; null if not.
function confirm({ title, what, say, label, keep }) {
  $('ask-title').textContent = title;
  $('ask-what').textContent = what;
  $('ask-label').hidden = !label;
  $('ask-label').firstElementChild.textContent = label ?? '';
  $('ask-text').value = '';
  $('ask-text').required = label === 'text';
  $('ask-for-label').hidden = !keep;
  $('ask-do').textContent = say;
  $('ask').returnValue = '';
  $('ask').showModal();
  return new Promise((resolve) => {
    $('ask').addEventListener('close', () => resolve($('ask').returnValue === 'do' ? { text: $('ask-text').value, keep: keep && $('ask-for').value.trim() } : null), { once: true });
  });
}

async function act(question, request, said) {
  const answer = await confirm(question);
  if (!answer) return;
  try {
    const result = await ask(...request(answer));
    $('said').textContent = said(result);
    $('said').className = '';
  } catch (error) {
    $('said').textContent = `It was not done: ${error.message}`;
    $('said').className = 'bad';
  }
}

export const notice = (room) =>
  act({ title: 'Send a notice', what: `To all in the room ${room}, on all nodes.`, label: 'text', say: 'Send' },
    ({ text }) => [`/v1/rooms/${part(room)}/messages?kind=notice`, { method: 'POST', text }],
    () => `The notice is in ${room}.`);

// What else was set for the room stays.
export async function mute(room) {
  const path = `/v1/rooms/${part(room)}/settings`;
  const settings = await ask(path);
  const { muted } = settings;
  const json = { ...settings, muted: !muted };
  const question = muted
    ? { title: 'Let all speak again', what: `Whoever may publish in ${room} can do so again.`, say: 'Let speak' }
    : { title: 'Mute the room', what: `Only backends may speak in ${room} until you take it back.`, say: 'Mute' };
  await act(question, () => [path, { method: 'PUT', json }], () => (muted ? `${room} may speak again.` : `${room} is muted.`));
}

export const closeRoom = (room) =>
  act({ title: 'Close the room', what: `Everybody is put out of ${room}, and its history is forgotten.`, label: 'reason', say: 'Close' },
    ({ text }) => [`/v1/rooms/${part(room)}/close`, { method: 'POST', json: json(text) }],
    (r) => `${room} is closed; ${r.connections} connections of this node were in it.`);

export const kick = (user, room) =>
  act({ title: 'Put out of the room', what: `${user} leaves ${room}, and may not come back for a time.`, label: 'reason', keep: true, say: 'Put out' },
    ({ text, keep }) => [`/v1/rooms/${part(room)}/kick`, { method: 'POST', json: { user, ...json(text, keep) } }],
    () => `${user} was put out of ${room}.`);

export const ban = (user) =>
  act({ title: 'Ban', what: `All connections of ${user} are closed, and none is let in for a time.`, label: 'reason', keep: true, say: 'Ban' },
    ({ text, keep }) => [`/v1/users/${part(user)}/disconnect`, { method: 'POST', json: json(text, keep) }],
    () => `${user} is banned.`);

export const lift = (b) =>
  act({ title: 'Let in again', what: `${b.user ?? b.address} may come again.`, say: 'Let in' },
    () => [b.address ? `/v1/bans?address=${part(b.address)}` : `/v1/bans/${part(b.user)}${b.room ? `?room=${part(b.room)}` : ''}`, { method: 'DELETE' }],
    () => `${b.user ?? b.address} may come again.`);
