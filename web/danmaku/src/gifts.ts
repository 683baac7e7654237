// Gifts: a card for each slides in and stays a while. The same gift of the same
// sender again, while its card is there, counts it up: a combo. Cards wait when
// all their places are taken, and combos go on while they wait.

import { type Rules, validColor } from './comment.js';
import { allowed } from './images.js';
import { cleanText } from './text.js';

export interface Gift {
  name: string; // what it is, such as Rocket
  nick?: string; // who gives it
  sender?: string;
  count?: number; // how many at once, 1 to 9999
  icon?: string; // one emoji
  image?: string; // or a picture's address
  color?: string;
}

interface Card {
  readonly key: string;
  readonly sender: string;
  readonly gift: Gift;
  count: number;
  until: number;
  shown: { element: HTMLElement; number: HTMLElement } | null;
}

const PLACES = 3;
const WAITING = 20; // the most; of more the smallest gift goes
const STAY_MS = 4000;
const MAX_COUNT = 9999;
const MAX_NAME = 24;
const SLIDE = { duration: 350, easing: 'cubic-bezier(.2,1.2,.4,1)' };
const POP = { duration: 300, easing: 'ease-out' };

export class Gifts {
  readonly element = document.createElement('div');
  #cards: Card[] = [];
  moving = true;

  constructor() {
    Object.assign(this.element.style, {
      position: 'absolute', left: '1em', bottom: '20%', display: 'flex', flexDirection: 'column', gap: '.5em', alignItems: 'flex-start',
    });
  }

  get busy(): boolean {
    return this.#cards.length > 0;
  }

  give(gift: Gift, rules: Rules, now: number): void {
    const given: Record<string, unknown> = Object(gift);
    const count = Math.min(MAX_COUNT, Math.max(1, Math.floor(Number(given.count ?? 1)) || 1));
    const text = (what: unknown, max: number) => cleanText(what, max);
    const [name, nick] = [text(given.name, MAX_NAME), text(given.nick, MAX_NAME)];
    if (name === '') return;
    const sender = typeof given.sender === 'string' ? given.sender : nick;
    const key = JSON.stringify([sender, name]);
    const card = this.#cards.find((other) => other.key === key);
    if (card) return this.#again(card, count, now);
    const safe: Gift = { name, nick, icon: text(given.icon, 1), image: allowed(given.image, rules.allow), color: validColor(given.color) };
    this.#cards.push({ key, sender, gift: safe, count, until: Infinity, shown: null });
    this.#bound();
    this.step(now);
  }

  // step takes away what has been there long enough, and shows what waited.
  step(now: number): void {
    this.remove((card) => card.until <= now);
    for (const card of this.#cards.slice(0, PLACES)) {
      if (card.shown) continue;
      card.until = now + STAY_MS;
      card.shown = this.#build(card);
      this.element.append(card.shown.element);
      this.#animate(card.shown.element, [{ transform: 'translateX(-110%)', opacity: 0 }, { transform: 'none', opacity: 1 }], SLIDE);
    }
  }

  remove(unwanted: (card: { sender: string; until: number }) => boolean): void {
    this.#cards = this.#cards.filter((card) => {
      if (!unwanted(card)) return true;
      card.shown?.element.remove();
      return false;
    });
  }

  #again(card: Card, count: number, now: number): void {
    card.count = Math.min(MAX_COUNT, card.count + count);
    if (!card.shown) return;
    card.until = now + STAY_MS;
    card.shown.number.textContent = `×${card.count}`;
    this.#animate(card.shown.number, [{ transform: 'scale(2.2)' }, { transform: 'scale(1)' }], POP);
  }

  #bound(): void {
    const waiting = this.#cards.filter((card) => !card.shown);
    if (waiting.length <= WAITING) return;
    const least = waiting.reduce((a, b) => (b.count < a.count ? b : a));
    this.remove((card) => card === least);
  }

  #animate(element: HTMLElement, frames: Keyframe[], timing: KeyframeAnimationOptions): void {
    if (this.moving) element.animate(frames, timing);
  }

  #build({ gift, count }: Card): { element: HTMLElement; number: HTMLElement } {
    const element = document.createElement('div');
    Object.assign(element.style, {
      display: 'flex', alignItems: 'center', gap: '.6em', padding: '.35em 1em', borderRadius: '2em', color: '#ffffff',
      background: 'linear-gradient(90deg, rgb(124 58 237 / 90%), rgb(236 72 153 / 65%))', whiteSpace: 'nowrap',
    });
    const who = document.createElement('span');
    who.dir = 'auto';
    who.style.color = gift.color!;
    who.style.fontWeight = '700';
    who.textContent = gift.nick!;
    const what = document.createElement('span');
    what.dir = 'auto';
    what.textContent = gift.name;
    const number = document.createElement('strong');
    number.style.fontSize = '1.5em';
    number.style.color = '#fde047';
    number.textContent = `×${count}`;
    element.append(...[who, what, picture(gift), number].filter((part) => part !== null));
    return { element, number };
  }
}

function picture({ icon, image }: Gift): HTMLElement | null {
  if (image) {
    const element = new Image();
    element.referrerPolicy = 'no-referrer';
    element.alt = '';
    Object.assign(element.style, { width: '2em', height: '2em', objectFit: 'contain' });
    element.src = image;
    return element;
  }
  if (!icon) return null;
  const element = document.createElement('span');
  element.style.fontSize = '1.6em';
  element.textContent = icon;
  return element;
}
