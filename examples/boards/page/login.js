import { $, connect } from './board.js';

const { id } = await (await fetch('/qr', { method: 'POST' })).json();
let client = connect();
const room = client.room(`login:${id}`);
room.on('message', ({ data: { token } }) => { // the phone has confirmed it
  client.close();
  client = connect({ token });
  client.on('welcome', ({ name }) => {
    $('who').textContent = `Hello ${name}, you are logged in.`;
    $('code').hidden = true;
  });
});
await room.joined(); // nobody can confirm what is not shown yet, and all of it comes here
$('code').src = `/qr/${id}`;
$('phone').href = `/phone.html?id=${id}`;
