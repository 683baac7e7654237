import { $, board, connect, element } from './board.js';

let before = {};
board(connect(), 'quotes', (quotes) => {
  $('quotes').replaceChildren(...Object.entries(quotes).map(([name, price]) => {
    const change = price - (before[name] ?? price);
    const row = element('tr');
    row.append(element('td', '', name), element('td', 'price', price.toFixed(2)), element('td', change < 0 ? 'down' : 'up', `${change < 0 ? '▼' : '▲'} ${Math.abs(change).toFixed(2)}`));
    return row;
  }));
  before = quotes;
});
