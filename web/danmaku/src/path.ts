// Where a comment is at a time. Every comment in the air has a path: a straight
// line at its own constant speed, or a place where it stands. Times are
// milliseconds of the renderer's timeline, lengths are CSS pixels of the stage.

export type Mode = 'scroll' | 'reverse' | 'top' | 'bottom';

export interface Path {
  readonly start: number;
  readonly end: number; // from here on nothing of it is on the stage
  readonly x: number; // of its left edge, at the start
  readonly v: number; // pixels a millisecond; 0 stands, below 0 flies left
  readonly width: number;
}

export interface Pace {
  readonly stage: number; // the stage's width
  readonly flightMs: number; // what a comment without a width takes to cross it
  readonly standMs: number; // how long one at the top or the bottom stands
}

// What of its own length a comment makes good by speed: all of it, and all took
// equally long; nothing of it, and long ones kept their lanes longest.
const HASTE = 0.6;

export function pathOf(mode: Mode, start: number, width: number, pace: Pace): Path {
  if (mode === 'top' || mode === 'bottom') {
    return { start, end: start + pace.standMs, x: (pace.stage - width) / 2, v: 0, width };
  }
  const v = (pace.stage + HASTE * width) / pace.flightMs;
  const end = start + (pace.stage + width) / v;
  return mode === 'reverse' ? { start, end, x: -width, v, width } : { start, end, x: pace.stage, v: -v, width };
}

// longestMs is what no path lasts longer than, however wide its comment.
export function longestMs(pace: Pace): number {
  return Math.max(pace.standMs, pace.flightMs / HASTE);
}

export function leftAt(path: Path, time: number): number {
  return path.x + path.v * (time - path.start);
}

// stopped is the path of a comment that is held where it is now.
export function stopped(path: Path, now: number): Path {
  return { start: now, end: Infinity, x: leftAt(path, now), v: 0, width: path.width };
}

// resumed is the rest of a path from where the comment was held until now. One
// that stood anyway stands for what was left of its time.
export function resumed(before: Path, heldAt: number, now: number): Path {
  return { ...before, start: now, end: now + Math.max(0, before.end - heldAt), x: leftAt(before, heldAt) };
}

// clashMs says for how long two comments of one lane are nearer to each other
// than the gap. Both are straight lines, so the distance of their left edges is
// one too, and they clash while it is between two bounds.
export function clashMs(a: Path, b: Path, gap: number): number {
  const from = Math.max(a.start, b.start);
  const to = Math.min(a.end, b.end);
  if (to <= from) return 0;
  const [low, high] = [-(b.width + gap), a.width + gap];
  const distance = leftAt(b, from) - leftAt(a, from);
  const change = b.v - a.v;
  if (change === 0) return distance > low && distance < high ? to - from : 0;
  const [one, other] = [(low - distance) / change, (high - distance) / change];
  const begin = Math.max(from, from + Math.min(one, other));
  return Math.max(0, Math.min(to, from + Math.max(one, other)) - begin);
}
