// Gifts and likes: what they are on the wire, and how likes rise over the stage. Who sends
// them is a stranger: only what is known here is shown.

import { clean, DEFAULT_COLOR, MAX_NICK, object, readable } from './comment.js';
import { t } from './messages.js';

const GIFTS = { rocket: { icon: '🚀', said: 'gaveRocket' }, heart: { icon: '❤️', said: 'gaveHeart' } };
const COLOR = /^#[0-9a-f]{6}$/i;
const MAX_LIKES = 20; // that one message may bring
const TOGETHER_MS = 600;
const MAX_RISING = 30;

// readGift returns {gift, icon, name, text, nick, color} or {likes}, or null where it is neither.
// What programs publish as text counts as what pages publish as an object.
export function readGift(published) {
  const data = typeof published === 'string' ? object(published) : published;
  if (typeof data !== 'object' || data === null || data instanceof Uint8Array) return null;
  const { gift, likes, nick, color } = data;
  if (Number.isSafeInteger(likes) && likes > 0) return { likes: Math.min(likes, MAX_LIKES) };
  if (typeof gift !== 'string' || !Object.hasOwn(GIFTS, gift)) return null;
  return {
    gift,
    icon: GIFTS[gift].icon,
    name: t(gift),
    text: `${GIFTS[gift].icon} ${t(GIFTS[gift].said)}`,
    nick: typeof nick === 'string' ? clean(nick, MAX_NICK) : '',
    color: typeof color === 'string' && COLOR.test(color) ? readable(color) : DEFAULT_COLOR,
  };
}

// Likes sends several clicks as one message, and lets hearts rise for those of all.
export class Likes {
  #element;
  #send;
  #waiting = 0;
  #timer = 0;

  constructor(element, send) {
    this.#element = element;
    this.#send = send;
  }

  click() {
    this.#waiting = Math.min(this.#waiting + 1, MAX_LIKES);
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#send({ likes: this.#waiting });
      this.#waiting = 0;
    }, TOGETHER_MS);
  }

  rise(count) {
    for (let i = 0; i < count && this.#element.childElementCount < MAX_RISING; i++) {
      const heart = document.createElement('span');
      heart.textContent = '❤';
      heart.style.setProperty('--hue', String(330 + Math.random() * 40));
      this.#element.append(heart);
      const drift = (Math.random() - 0.5) * 70;
      const frames = [
        { transform: 'translate(0, 0) scale(.4)', opacity: 0 },
        { transform: `translate(${drift * 0.4}px, -60px) scale(1.2)`, opacity: 1, offset: 0.25 },
        { transform: `translate(${drift}px, -220px) scale(.9)`, opacity: 0 },
      ];
      const rising = heart.animate(frames, { duration: 1800 + Math.random() * 900, delay: i * 90, easing: 'ease-out', fill: 'both' });
      rising.finished.then(() => heart.remove(), () => heart.remove());
    }
  }
}
