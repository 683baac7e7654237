// The flying comments. Each is one pooled element moved by a compositor
// animation, so that a frame costs no script. Comments that arrive within one
// frame are measured together, for one layout a frame however many come.
//
// There are two planes of rows: a near one, and when that is full, a far one
// with smaller comments behind it. When both are full comments wait, and those
// that fly go faster; when too many wait the oldest is not flown at all. The log
// has it. Nobody could read more, and a weak machine could not move more.

import { Rows } from './rows.js';

const MAX_FLYING = 120;
const MAX_WAITING = 24;
const MAX_HASTE = 0.5; // how much faster when the most are waiting
const ROW_EM = 1.75;

export class Stage {
  #element;
  #planes = [
    { rows: new Rows(), scale: 1, far: false },
    { rows: new Rows(), scale: 0.7, far: true },
  ];
  #width = 0;
  #rowHeight = 1;
  #arrived = []; // not yet measured: {element, own}
  #waiting = []; // measured, for a row: {element, width}
  #flying = new Map(); // element to its animation, the oldest first
  #pool = [];
  #enabled = true;
  #scheduled = false;

  constructor(element) {
    this.#element = element;
    new ResizeObserver(() => this.#resize()).observe(element);
  }

  set enabled(enabled) {
    this.#enabled = enabled;
    this.clear();
  }

  // show lets a comment fly. In a hidden tab nothing is drawn, so what comes
  // there is left to the log: it must not all take off at once later.
  show(comment, own) {
    if (!this.#enabled || document.hidden) return;
    if (this.#arrived.length === MAX_WAITING) this.#dropOldestArrived();
    this.#arrived.push({ element: this.#dress(comment, own), own });
    this.#schedule();
  }

  clear() {
    for (const { element } of [...this.#arrived, ...this.#waiting]) this.#recycle(element);
    this.#arrived.length = this.#waiting.length = 0;
    for (const element of this.#flying.keys()) this.#land(element);
    for (const { rows } of this.#planes) rows.clear();
  }

  #resize() {
    this.#rowHeight = parseFloat(getComputedStyle(this.#element).fontSize) * ROW_EM;
    this.#width = this.#element.clientWidth;
    for (const { rows, scale } of this.#planes) {
      rows.resize(Math.floor(this.#element.clientHeight / (this.#rowHeight * scale)), this.#width);
    }
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame((now) => this.#frame(now));
  }

  #frame(now) {
    this.#scheduled = false;
    this.#measure(now);
    this.#waiting = this.#waiting.filter((entry) => !this.#tryLaunch(entry, now));
    while (this.#waiting.length > MAX_WAITING) this.#recycle(this.#waiting.shift().element);
    if (this.#waiting.length > 0) this.#schedule();
  }

  // The visitor's own are too few to fill the list: the rate limit sees to it.
  #dropOldestArrived() {
    const oldest = this.#arrived.findIndex(({ own }) => !own);
    const [{ element }] = this.#arrived.splice(oldest, 1);
    this.#recycle(element);
  }

  #measure(now) {
    this.#element.append(...this.#arrived.map(({ element }) => element));
    const widths = this.#arrived.map(({ element }) => element.offsetWidth);
    this.#arrived.forEach(({ element, own }, i) => {
      if (own) this.#launchOwn(element, widths[i], now);
      else this.#waiting.push({ element, width: widths[i] });
    });
    this.#arrived.length = 0;
  }

  #tryLaunch({ element, width }, now) {
    if (this.#flying.size >= MAX_FLYING) return false;
    for (const plane of this.#planes) {
      const scaled = width * plane.scale;
      const speed = this.#speed(scaled);
      const row = plane.rows.place(now, scaled, speed);
      if (row < 0) continue;
      this.#launch(element, plane, row, scaled, speed);
      return true;
    }
    return false;
  }

  // The visitor's own comment flies at once and in front, whatever is there.
  #launchOwn(element, width, now) {
    if (this.#flying.size >= MAX_FLYING) this.#land(this.#flying.keys().next().value);
    const [near] = this.#planes;
    const speed = this.#speed(width);
    const row = near.rows.place(now, width, speed);
    this.#launch(element, near, row < 0 ? near.rows.squeeze(now, width, speed) : row, width, speed);
  }

  #launch(element, { scale, far }, row, width, speed) {
    const y = row * this.#rowHeight * scale;
    const at = (x) => ({ transform: `translate(${x}px, ${y}px) scale(${scale})` });
    element.classList.toggle('far', far);
    const duration = (this.#width + width) / speed;
    const animation = element.animate([at(this.#width), at(-width)], { duration, fill: 'both' });
    animation.onfinish = () => this.#land(element);
    this.#flying.set(element, animation);
  }

  // speed in pixels a millisecond. Long comments are a little faster, else they
  // would block their row; a wide stage takes longer to cross than a phone.
  #speed(width) {
    const crossing = Math.min(12_000, 5_000 + this.#width * 3.4);
    const haste = 1 + MAX_HASTE * Math.min(1, this.#waiting.length / MAX_WAITING);
    return ((this.#width + width * 0.5) / crossing) * haste * (0.94 + Math.random() * 0.12);
  }

  #dress(comment, own) {
    const element = this.#pool.pop() ?? newElement();
    const [nick, text] = element.children;
    nick.textContent = comment.nick;
    nick.hidden = comment.nick === '';
    text.textContent = comment.text;
    element.style.color = comment.color;
    element.classList.toggle('own', own);
    return element;
  }

  #land(element) {
    this.#flying.get(element).cancel();
    this.#flying.delete(element);
    this.#recycle(element);
  }

  #recycle(element) {
    element.remove();
    this.#pool.push(element);
  }
}

function newElement() {
  const element = document.createElement('div');
  const nick = document.createElement('span');
  const text = document.createElement('span');
  element.className = 'fly';
  nick.className = 'nick';
  nick.dir = text.dir = 'auto';
  element.append(nick, text);
  return element;
}
