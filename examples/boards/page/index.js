import { $, board, connect, element } from './board.js';

const client = connect();
for (const [name, page, words] of [
  ['quotes', 'quotes', (d) => `BRG ${d.BRG}`],
  ['orders', 'orders', (d) => d.total],
  ['courier', 'courier', (d) => `${Math.round(d.x)}, ${Math.round(d.y)}`],
  ['auction', 'auction', (d) => d.price],
]) {
  const card = Object.assign(element('a', 'card'), { href: `${page}.html` });
  const big = element('p', 'big', '–');
  card.append(element('h2', '', name), big);
  $('all').append(card);
  board(client, name, (data) => (big.textContent = words(data)));
}
