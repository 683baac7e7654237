import { $, connect } from './board.js';

connect();
$('confirm').onclick = async () => {
  const id = new URLSearchParams(location.search).get('id');
  const response = await fetch(`/confirm?id=${encodeURIComponent(id)}&name=Ann`, { method: 'POST' });
  $('answer').textContent = response.ok ? 'You are logged in there.' : await response.text();
};
