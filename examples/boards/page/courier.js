import { $, board, connect } from './board.js';

const MAX_POINTS = 60;
const way = [];

board(connect(), 'courier', ({ x, y }) => {
  $('courier').setAttribute('cx', x);
  $('courier').setAttribute('cy', y);
  way.push(`${x},${y}`);
  if (way.length > MAX_POINTS) way.shift();
  $('way').setAttribute('points', way.join(' '));
});
