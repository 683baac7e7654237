import { $, board, connect, element } from './board.js';

const SCALE = 30; // pixels an order

board(connect(), 'orders', ({ total, last }, past) => {
  if (!past && last.at(-1)) $('alert').textContent = `New order: no. ${total}`;
  $('total').textContent = total;
  $('bars').replaceChildren(...last.map((n) => {
    const bar = element('span');
    bar.style.height = `${n * SCALE}px`;
    return bar;
  }));
});
