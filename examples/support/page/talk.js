// What both sides of a talk have.

export const SERVER = 'ws://127.0.0.1:8080/ws';
const TYPING_MS = 3000;

export const $ = (id) => document.getElementById(id);

export function element(name, classes = '', text = '') {
  return Object.assign(document.createElement(name), { className: classes.trim(), textContent: text });
}

export const note = (text, tone = '') => element('li', `note ${tone}`, text);

export function line({ who, avatar, data, time = Date.now(), own = false }) {
  const item = element('li', `line${own ? ' own' : ''}${data.image ? ' picture' : ''}`);
  const face = element('img');
  face.src = avatar ? new URL(avatar).pathname : '/avatars/nobody.svg';
  face.alt = '';
  const text = element('span', 'text', data.image ? '' : data.text);
  if (data.image?.startsWith('/images/')) text.append(Object.assign(element('img'), { src: data.image, alt: 'picture' }));
  item.append(face, element('span', 'who', who), element('span', 'mark', new Date(time).toLocaleTimeString()), text);
  return item;
}

// send says something to a user: whether they are there is in the answer. If not, it waits.
export async function send(client, to, data, add) {
  const item = add(line({ who: 'me', data, own: true }));
  const { online } = await client.send(to, data, { kind: 'chat' });
  const mark = item.querySelector('.mark');
  if (mark.textContent !== '✓✓') mark.textContent = '✓'; // that it was read may come first
  if (!online) add(note('对方暂时不在线哦! Not online now: it waits for them.'));
}

// seen marks what was sent as read.
export function seen(items) {
  for (const item of items) if (item.classList.contains('own')) item.querySelector('.mark').textContent = '✓✓';
}

// upload brings a picture to the shop's own program; only its address is sent.
export async function upload(token, file) {
  const response = await fetch('/upload', { method: 'POST', headers: { Authorization: `Bearer ${token}` }, body: file });
  if (!response.ok) throw new Error(await response.text());
  return { image: await response.json() };
}

// typing tells of typing, not for every key, and shows for a while that the other one does.
export function typing(client, to) {
  let last = 0;
  let timer;
  $('text').oninput = () => {
    if (!to() || Date.now() - last < TYPING_MS / 2) return;
    last = Date.now();
    client.send(to(), null, { kind: 'typing', forget: true }).catch(() => {});
  };
  return (on) => {
    clearTimeout(timer);
    $('typing').textContent = on ? '对方正在输入… typing' : '';
    if (on) timer = setTimeout(() => ($('typing').textContent = ''), TYPING_MS);
  };
}

export function showState(client) {
  client.on('state', ({ state }) => {
    $('state').textContent = state;
    $('state').dataset.state = state;
  });
}
