// Elements, made without markup: what viewers choose is text wherever it stands.

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...children);
  return e;
}

export function button(text, label, act) {
  const b = element('button', { type: 'button', textContent: text });
  b.setAttribute('aria-label', label);
  b.addEventListener('click', act);
  return b;
}

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
export const count = (n) => (Math.abs(n) < 10_000 ? plain.format(n) : short.format(n));

export function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${plain.format(n)} ${units[i]}`;
}

export function seconds(s) {
  if (Number.isNaN(s)) return '–';
  if (s === Infinity) return 'over 5 s';
  return s < 1 ? `${plain.format(s * 1000)} ms` : `${plain.format(s)} s`;
}

// fill makes a table's body have these rows. Rows that stay are kept, so that a button is not
// taken away from under a click, and only their numbers change; the focus stays where it is.
export function fill(body, rows) {
  const focused = body.contains(document.activeElement) ? document.activeElement.getAttribute('aria-label') : null;
  rows.forEach((row, i) => {
    const old = body.rows[i];
    if (!old) body.append(row);
    else if (keyOf(old) !== keyOf(row)) old.replaceWith(row);
    else [...row.cells].forEach((cell, j) => cell.className === 'number' && (old.cells[j].textContent = cell.textContent));
  });
  while (body.rows.length > rows.length) body.lastElementChild.remove();
  if (focused && !body.contains(document.activeElement)) {
    [...body.querySelectorAll('button')].find((b) => b.getAttribute('aria-label') === focused)?.focus({ preventScroll: true });
  }
}

const keyOf = (row) => JSON.stringify([...row.cells].filter((cell) => cell.className !== 'number').map((cell) => [cell.textContent, ...[...cell.children].map((b) => b.getAttribute('aria-label'))]));
