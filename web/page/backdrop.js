// The sky behind the comments: stars, an aurora, a ridge of hills.
//
// It must stay cheap without a graphics card. Stars and hills are drawn once for
// a window size. The aurora is drawn on a tiny canvas that the browser stretches
// over the window, which also makes it soft, and only some times a second; in a
// hidden tab the browser stops it.

const AURORA = { width: 200, height: 100, frameMs: 50 };

const CURTAINS = [
  { color: [94, 234, 180], y: 0.6, height: 0.56, sway: 0.075, wave: 1.3, drift: 0.11, glow: 1, phase: 0 },
  { color: [56, 189, 248], y: 0.48, height: 0.5, sway: 0.06, wave: 1.9, drift: -0.08, glow: 0.7, phase: 2 },
  { color: [192, 132, 252], y: 0.68, height: 0.62, sway: 0.09, wave: 1.0, drift: 0.06, glow: 0.75, phase: 4 },
];

const RIDGES = [
  { color: '#0b1430', top: 0.8, rough: 0.07, seed: 11 },
  { color: '#080e22', top: 0.87, rough: 0.055, seed: 5 },
  { color: '#050914', top: 0.94, rough: 0.04, seed: 23 },
];

export class Backdrop {
  #stars = layer('stars');
  #aurora = layer('aurora');
  #hills = layer('hills');
  #strips = CURTAINS.map(({ color }) => strip(color));
  #moving = false;
  #drawnAt = -Infinity;

  constructor(element) {
    element.append(this.#stars, this.#aurora, this.#hills);
    this.#aurora.width = AURORA.width;
    this.#aurora.height = AURORA.height;
    new ResizeObserver(() => this.#resize(element)).observe(element);
    this.#drawAurora(0);
  }

  set moving(moving) {
    if (moving && !this.#moving) requestAnimationFrame((now) => this.#frame(now));
    this.#moving = moving;
  }

  #frame(now) {
    if (!this.#moving) return;
    if (now - this.#drawnAt >= AURORA.frameMs) {
      this.#drawnAt = now;
      this.#drawAurora(now / 1000);
    }
    requestAnimationFrame((next) => this.#frame(next));
  }

  #resize({ clientWidth: width, clientHeight: height }) {
    for (const canvas of [this.#stars, this.#hills]) {
      canvas.width = width;
      canvas.height = height;
    }
    drawStars(this.#stars.getContext('2d'), width, height);
    drawHills(this.#hills.getContext('2d'), width, height);
  }

  // Each curtain is a row of upright strips, one pixel wide, whose foot and
  // brightness follow slow waves.
  #drawAurora(seconds) {
    const { width, height } = AURORA;
    const context = this.#aurora.getContext('2d');
    context.globalCompositeOperation = 'source-over';
    context.clearRect(0, 0, width, height);
    context.globalCompositeOperation = 'lighter';
    CURTAINS.forEach((curtain, i) => {
      for (let x = 0; x < width; x++) {
        const { foot, tall, light } = curtainAt(curtain, x / width, seconds);
        context.globalAlpha = light;
        context.drawImage(this.#strips[i], x, (foot - tall) * height, 1, tall * height);
      }
    });
  }
}

function curtainAt(curtain, x, seconds) {
  const turn = x * curtain.wave * 2 * Math.PI + curtain.phase;
  const time = seconds * curtain.drift;
  const foot = curtain.y + curtain.sway * (Math.sin(turn + time * 2) + 0.4 * Math.sin(turn * 2.3 - time * 3));
  const folds = 0.78 + 0.22 * Math.sin(turn * 9 + Math.sin(turn * 3 + time * 4) * 2 + time * 6);
  const swell = 0.5 + 0.5 * Math.sin(turn * 0.8 - time * 2.5 + curtain.phase);
  return { foot, tall: curtain.height * (0.55 + 0.45 * swell), light: curtain.glow * folds * (0.15 + 0.85 * swell * swell) };
}

// strip is one upright slice of a curtain: a sharp foot, a long fading top.
function strip([r, g, b]) {
  const canvas = document.createElement('canvas');
  canvas.width = 1;
  canvas.height = 64;
  const context = canvas.getContext('2d');
  const fill = context.createLinearGradient(0, 0, 0, 64);
  fill.addColorStop(0, `rgba(${r}, ${g}, ${b}, 0)`);
  fill.addColorStop(0.55, `rgba(${r}, ${g}, ${b}, 0.22)`);
  fill.addColorStop(0.86, `rgba(${r}, ${g}, ${b}, 0.72)`);
  fill.addColorStop(1, `rgba(${r}, ${g}, ${b}, 0)`);
  context.fillStyle = fill;
  context.fillRect(0, 0, 1, 64);
  return canvas;
}

function drawStars(context, width, height) {
  const random = seeded(7);
  const count = Math.round((width * height) / 3600);
  for (let i = 0; i < count; i++) {
    const size = random() ** 6 * 1.5 + 0.45;
    context.globalAlpha = 0.25 + 0.65 * random();
    context.fillStyle = random() < 0.2 ? '#bfdbfe' : '#ffffff';
    context.beginPath();
    context.arc(random() * width, random() * height * 0.9, size, 0, 2 * Math.PI);
    context.fill();
  }
}

function drawHills(context, width, height) {
  for (const { color, top, rough, seed } of RIDGES) {
    const random = seeded(seed);
    const waves = [1.1, 2.3, 4.7, 9.1, 19, 41].map((n) => ({ n: n * (0.8 + 0.4 * random()), at: random() * 7, size: 1 / n }));
    context.fillStyle = color;
    context.beginPath();
    context.moveTo(0, height);
    for (let x = 0; x <= width + 2; x += 2) {
      const turn = (x / Math.max(width, 900)) * 2 * Math.PI;
      const rise = waves.reduce((sum, { n, at, size }) => sum + Math.sin(turn * n + at) * size, 0);
      context.lineTo(x, height * (top - rough * rise));
    }
    context.lineTo(width + 2, height);
    context.fill();
  }
}

function layer(name) {
  const canvas = document.createElement('canvas');
  canvas.className = name;
  return canvas;
}

// seeded is mulberry32: the same sky for a window size, however often drawn.
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
