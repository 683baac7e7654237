import { $, board, connect } from './board.js';

const client = connect();
board(client, 'auction', ({ price, bidder, bids }) => {
  $('price').textContent = price;
  $('bidder').textContent = `${bidder}, bid no. ${bids}`;
});

$('bid').onsubmit = async (event) => {
  event.preventDefault();
  try {
    const price = await client.request('auction.bid', { name: $('name').value, amount: Number($('amount').value) });
    $('answer').textContent = `Yours at ${price}, for now.`;
  } catch ({ message }) {
    $('answer').textContent = message;
  }
};
