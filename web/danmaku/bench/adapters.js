// What is measured, each behind the same four lines: start it on a stage, add a
// comment, say how many are seen. All get the same texts, a flight of the same
// length and the same letters, and may put comments over others where they must.

import Artplayer from 'artplayer';
import danmuku from 'artplayer-plugin-danmuku';
import Danmaku from 'danmaku';
import { create } from 'danmu';

import { Danmaku as Ours } from '../dist/danmaku.mjs';

const seen = (selector) => () => document.querySelectorAll(selector).length;

// npm danmaku, with its engine of elements or that of a canvas.
function danmaku(engine) {
  return (stage, { flightMs, font }) => {
    const danmaku = new Danmaku({ container: stage, engine, speed: stage.clientWidth / (flightMs / 1000) });
    const looks = { dom: { color: '#fff', font }, canvas: { fillStyle: '#fff', font } };
    return {
      add: (text) => danmaku.emit({ text, mode: 'rtl', style: looks[engine] }),
      count: () => danmaku._.runningList.length,
    };
  };
}

// npm danmu, which leaves the elements' content to a hook.
function danmu(stage, { flightMs, rowPx }) {
  const manager = create({
    mode: 'adaptive',
    trackHeight: rowPx,
    gap: 16,
    interval: 100,
    durationRange: [flightMs, flightMs],
    limits: { view: 1000, stash: 1000 },
    plugin: {
      $createNode(comment, node) {
        node.textContent = comment.data;
      },
    },
  });
  manager.mount(stage);
  manager.startPlaying();
  return { add: (text) => manager.push(text), count: () => manager.len().view };
}

// The plugin of ArtPlayer needs a video that plays: one of a single pixel.
async function artplayer(stage, { flightMs, fontPx }) {
  const still = document.createElement('canvas');
  still.width = still.height = 1;
  const player = new Artplayer({
    container: stage,
    url: 'still',
    muted: true,
    type: 'still',
    customType: {
      still: (video) => {
        video.srcObject = still.captureStream(10);
        setInterval(() => still.getContext('2d').fillRect(0, 0, 1, 1), 100);
      },
    },
    plugins: [danmuku({ danmuku: [], speed: flightMs / 1000, fontSize: fontPx, margin: [0, 0], antiOverlap: false, emitter: false })],
  });
  await new Promise((resolve) => player.on('ready', resolve));
  await player.play();
  return {
    add: (text) => player.plugins.artplayerPluginDanmuku.emit({ text, mode: 0 }),
    count: seen('.art-danmuku [data-state="emit"]'),
  };
}

// Its flights are as long for a comment of common length.
function ours(stage, { flightMs }) {
  const usual = Math.min(12_000, 5_000 + stage.clientWidth * 3.4);
  const danmaku = new Ours(stage, { limit: 1000, settings: { speed: (usual * 1.05) / flightMs, overflow: 'overlay' } });
  return { add: (text) => danmaku.show({ text }), count: () => danmaku.shown.length };
}

export const adapters = {
  'web/danmaku': ours,
  'danmaku, elements': danmaku('dom'),
  'danmaku, canvas': danmaku('canvas'),
  danmu,
  'artplayer-plugin-danmuku': artplayer,
  nothing: () => ({ add: () => {}, count: () => 0 }),
};
