// Measures renderers of flying comments in headless Chromium without a GPU, one
// after the other: node bench.mjs [--seconds 60] [--comments 300] [--size 1280x720]
// [--only NAME,...]. Prints a table for BENCHMARKS.md.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

import { build } from 'esbuild';
import { chromium } from 'playwright-core';

import { summary } from './trace.mjs';

const WARM_MS = 12_000; // longer than a flight: the stage has filled
const FLIGHT_MS = 8_000;
const FONT_PX = 16;
const ROW_PX = 22;
const MIB = 1 << 20;
const ALL = ['nothing', 'web/danmaku', 'danmaku, elements', 'danmaku, canvas', 'danmu', 'artplayer-plugin-danmuku'];

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    comments: { type: 'string', default: '300' },
    size: { type: 'string', default: '1280x720' },
    only: { type: 'string' },
  },
});
const [width, height] = options.size.split('x').map(Number);

const STYLE = `
  html, body { margin: 0; background: #0a1030; overflow: hidden; }
  #stage { position: relative; width: ${width}px; height: ${height}px; overflow: hidden; color: #fff; white-space: nowrap; }
`;

async function serve() {
  const { outputFiles } = await build({
    entryPoints: ['page.js'],
    absWorkingDir: import.meta.dirname,
    bundle: true,
    write: false,
    format: 'iife',
    logLevel: 'error',
  });
  const files = {
    '/': ['text/html', readFileSync(new URL('index.html', import.meta.url))],
    '/style.css': ['text/css', STYLE],
    '/page.js': ['text/javascript', outputFiles[0].contents],
  };
  const server = createServer((request, response) => {
    const [type, body] = files[request.url] ?? ['text/plain', ''];
    response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` }).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

// cpuSeconds is what the processes with these numbers have used by now.
function cpuSeconds(pids) {
  const ticks = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, n) => sum + n, 0) / 100;
}

async function measure(name, url) {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const page = await browser.newPage({ viewport: { width, height } });
    page.on('pageerror', (error) => console.error(`${name}: ${error.stack}`));
    await page.goto(url);
    const devtools = await browser.newBrowserCDPSession();
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    await page.evaluate((run) => window.run(run), {
      name, comments: Number(options.comments), flightMs: FLIGHT_MS, fontPx: FONT_PX, rowPx: ROW_PX,
    });
    await page.waitForTimeout(WARM_MS);

    const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
    const pids = processInfo.map(({ id }) => id);
    const before = await heap(session);
    await browser.startTracing(page, { categories: ['__metadata', 'toplevel', 'cc', 'benchmark'] });
    const cpu = cpuSeconds(pids);
    const counts = [];
    for (let i = 0; i < options.seconds; i += 5) {
      await page.waitForTimeout(5000);
      counts.push((await page.evaluate(() => window.seen())).count);
    }
    const used = cpuSeconds(pids) - cpu;
    const trace = JSON.parse(await browser.stopTracing());
    const after = await heap(session);
    return { name, counts, cores: used / options.seconds, before, after, ...summary(trace.traceEvents) };
  } finally {
    await browser.close();
  }
}

async function heap(session) {
  await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.getMetrics');
  const metric = (name) => metrics.find((m) => m.name === name).value;
  return { heap: metric('JSHeapUsedSize') / MIB, nodes: metric('Nodes') };
}

const server = await serve();
const url = `http://127.0.0.1:${server.address().port}/`;
const names = options.only?.split(',') ?? ALL;
console.log(`| renderer | on screen | main thread's work, ms a frame: p50 | p95 | p99 | by the clock: p95 | frames missed | cores, all processes | heap MiB: start, end | nodes: start, end |
|---|---|---|---|---|---|---|---|---|---|`);
for (const name of names) {
  const got = await measure(name, url);
  const [p50, p95, p99] = got.work.map((ms) => ms.toFixed(2));
  const [fewest, mostSeen] = [Math.min(...got.counts), Math.max(...got.counts)];
  console.log(
    `| ${name} | ${fewest} to ${mostSeen} | ${p50} | ${p95} | ${p99} | ${got.time[1].toFixed(2)} | ${(got.missed * 100).toFixed(2)} % of ${got.frames} ` +
      `| ${got.cores.toFixed(2)} | ${got.before.heap.toFixed(2)}, ${got.after.heap.toFixed(2)} | ${got.before.nodes}, ${got.after.nodes} |`,
  );
}
server.close();
