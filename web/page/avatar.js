// A picture of who speaks: the one that the server knows, if it is of a place that the
// server's operator allows, else the first letter of the name on a colour of its own.

import { images } from './allowed.js';

const letters = new Intl.Segmenter();

export function avatar(name, url = '') {
  const element = document.createElement('span');
  element.className = 'avatar';
  element.ariaHidden = 'true';
  element.textContent = initial(name);
  element.style.setProperty('--hue', String(hue(name)));
  if (permitted(url)) element.append(picture(url));
  return element;
}

// permitted reports an address that the page's policy lets load.
export function permitted(url, allowed = images) {
  if (typeof url !== 'string' || !URL.canParse(url)) return false;
  const { protocol, origin } = new URL(url);
  return protocol === 'https:' && allowed.includes(origin);
}

function picture(url) {
  const image = new Image();
  image.referrerPolicy = 'no-referrer';
  image.loading = 'lazy';
  image.alt = '';
  image.addEventListener('error', () => image.remove());
  image.src = url;
  return image;
}

function initial(name) {
  const [first] = letters.segment(name);
  return (first?.segment ?? '?').toUpperCase();
}

function hue(name) {
  let sum = 7;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 3600;
  return sum % 360;
}
