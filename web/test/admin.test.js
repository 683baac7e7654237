// The operator's dashboard in a real browser: its figures beside those of the API, what an
// operator does with it as a viewer sees it, its token, and names that are markup.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { alarms, expression, row, rules } from '../admin/page/alarms.js';
import { Reading, Span } from '../admin/page/metrics.js';
import { launchBrowser, World } from './harness.js';

const secret = 'a secret of the tests with 32 bytes long';
const adminToken = 'the-admin-token-of-the-tests';
const evil = '<img/src=x/onerror=window.ran=1>';
let world, browser, page, outside, problems;
const viewers = [];

function tokenFor(user, name) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256' })}.${part({ sub: user, name, exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

// Viewer is a client of barrage.v1 in a page of the public listener, which keeps what it is
// pushed.
class Viewer {
  static async open(user, room) {
    const viewer = new Viewer();
    viewers.push(viewer);
    viewer.handle = await outside.evaluateHandle(
      ([url, protocols]) => {
        const v = { got: [], socket: new WebSocket(url, protocols) };
        v.socket.onmessage = ({ data }) => v.got.push(JSON.parse(data));
        v.socket.onclose = ({ code }) => (v.code = code);
        return v;
      },
      [`${world.url.replace('http:', 'ws:')}/ws?${new URLSearchParams({ room, device: 'phone' })}`, ['barrage.v1', `bearer.${tokenFor(user, evil)}`]],
    );
    await viewer.sees('the welcome', (m) => m.push === 'welcome');
    return viewer;
  }

  got = () => this.handle.evaluate((v) => v.got);
  code = () => this.handle.evaluate((v) => v.code);
  send = (command) => this.handle.evaluate((v, text) => v.socket.send(text), JSON.stringify(command));
  sees = (what, test) => until(`a viewer sees ${what}`, async () => (await this.got()).some(test));
}

async function until(what, done) {
  const deadline = Date.now() + 30_000;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`waited too long until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const get = (path) => fetch(world.admin + path, { headers: { Authorization: `Bearer ${adminToken}` } });
const text = (selector) => page.locator(selector).innerText();
const term = async (id, name) => (await page.locator(`#${id} dt`, { hasText: name }).locator('+ dd').innerText());

async function confirm(label, words) {
  await page.getByRole('button', { name: label, exact: true }).first().click();
  if (words !== undefined) await page.fill('#ask-text', words);
  await page.click('#ask-do');
}

before(async () => {
  world = await World.start('--auth-secret', secret, '--admin-token', adminToken);
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1440, height: 1000 } });
  outside = await browser.newPage();
  await outside.goto(`${world.url}/healthz`);
  problems = [];
  // A refused token is a failed request, which the browser tells the console of.
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && !m.text().includes('401') && problems.push(m.text()));
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (r) => r.url().includes(adminToken) && problems.push(`the token is in ${r.url()}`));
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

test('without the token, with a wrong one, with the right one', async () => {
  await page.goto(world.admin);
  await page.locator('#login').waitFor();
  assert.equal(await page.locator('#board').isVisible(), false);
  await page.fill('#token', 'not-it');
  await page.press('#token', 'Enter');
  await until('the wrong token is refused', async () => (await text('#refused')) === 'That is not it.');
  await page.fill('#token', adminToken);
  await page.press('#token', 'Enter');
  await page.locator('#board').waitFor();
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, '']);
});

test('figures are those of /metrics, under load', async () => {
  await Promise.all(['ann', 'bob', 'eve'].map((user) => Viewer.open(user, 'live')));
  const load = setInterval(() => get('/v1/rooms').then(() => fetch(`${world.admin}/v1/rooms/live/messages`, { method: 'POST', body: 'hello', headers: { Authorization: `Bearer ${adminToken}` } })), 50);
  try {
    await until('there are deliveries', async () => Number((await text('#tile-deliveries .figure')).replace(',', '')) > 5);
    await until('room and bytes', async () => /live\s+3\s/.test(await text('#rooms')) && !/\s0 B/.test(await text('#rooms')));
  } finally {
    clearInterval(load);
  }
  const metrics = new Reading(await (await get('/metrics')).text(), Date.now());
  assert.equal(await text('#tile-connections .figure'), String(metrics.sum('connections')));
  assert.equal(await term('redis', 'answers'), 'yes');
  assert.equal(await term('presence', 'users in rooms'), String(metrics.sum('presence_users')));
  assert.equal(await term('presence', 'memberships'), String(metrics.sum('memberships')));
  assert.equal(await term('redis', 'reconnects'), String(metrics.sum('redis_reconnects_total')));
  assert.match(await text('#tile-latency .figure'), /ms|–/);
  assert.equal(await page.locator('.plot canvas').count(), 5);
  assert.match(await text('#firing'), /^Nothing/);
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true });
});

test('every act, as a viewer sees it', async () => {
  const [ann, bob] = viewers;
  await confirm('Send a notice to live', 'five minutes left');
  await ann.sees('the notice', (p) => p.kind === 'notice' && JSON.stringify(p).includes('five minutes left'));
  await confirm('Mute live, or let it speak again');
  await until('it is said', async () => (await text('#said')) === 'live is muted.');
  await ann.send({ cmd: 'publish', id: 1, room: 'live', data: 'hi' });
  await ann.sees('that it may not speak', (p) => JSON.stringify(p).includes('muted'));
  await confirm('Mute live, or let it speak again');
  await until('it is said', async () => (await text('#said')) === 'live may speak again.');
  await confirm('Put bob out of live', 'spam');
  await bob.sees('that it was put out', (p) => JSON.stringify(p).includes('spam'));
  await confirm('Ban eve', 'enough');
  await until('eve is closed', async () => (await viewers[2].code()) === 4200);
  await until('the ban is listed', async () => /eve\s+the server\s+enough/.test(await text('#bans')));
  await confirm('Let eve in again');
  await until('the ban is lifted', async () => !(await text('#bans')).includes('eve'));
  await confirm('Close live', 'the show is over');
  await ann.sees('that the room was closed', (p) => JSON.stringify(p).includes('the show is over'));
});

test('an act that is not confirmed is not done', async () => {
  const viewer = await Viewer.open('sue', 'quiet');
  await page.getByRole('button', { name: 'Close quiet' }).click();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Ban sue' }).click();
  await page.getByRole('button', { name: 'Leave it' }).click();
  const { connections } = await (await get('/v1/connections?user=sue')).json();
  assert.deepEqual(connections[0].rooms, ['quiet']);
  assert.equal(await viewer.code(), undefined);
});

test('names that are markup are text', async () => {
  await Viewer.open(evil, evil, 'phone');
  await until('it is listed', async () => (await text('#connections')).includes(evil) && (await text('#rooms')).includes(evil));
  await confirm(`Put ${evil} out of ${evil}`, evil.slice(0, 60));
  await until('it is kept out', async () => (await text('#bans')).includes(evil));
  await confirm(`Ban ${evil}`, 'enough');
  await until('it is closed', async () => (await viewers.at(-1).code()) === 4200);
  assert.equal(await page.locator('img').count(), 0);
  assert.equal(await page.evaluate(() => window.ran), undefined);
});

test('a script that got in would not run', async () => {
  const policy = (await fetch(world.admin)).headers.get('content-security-policy');
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.doesNotMatch(policy, /unsafe/);
});

test('the console has nothing to say', () => assert.deepEqual(problems, []));

test('the figures of a span', () => {
  const bucket = (n1, n2, n3) => `barrage_x_seconds_bucket{le="0.001"} ${n1}\nbarrage_x_seconds_bucket{le="1"} ${n2}\nbarrage_x_seconds_bucket{le="+Inf"} ${n3}\n`;
  const span = new Span(new Reading(`${bucket(1, 1, 1)}barrage_n_total{reason="a b"} 5\nbarrage_n_total{reason="c"} 7`, 0), new Reading(`${bucket(51, 100, 101)}barrage_n_total{reason="a b"} 25\nbarrage_n_total{reason="c"} 7`, 10_000));
  assert.equal(span.rate('n_total', 'reason', 'a b'), 2);
  assert.equal(span.increase('n_total'), 20);
  assert.equal(span.quantile('x_seconds', 0.5), 0.001);
  assert.equal(span.quantile('x_seconds', 0.99), 1);
  assert.ok(Number.isNaN(span.quantile('y_seconds', 0.5)));
});

const root = new URL('../../', import.meta.url);
const file = (name) => readFile(new URL(name, root), 'utf8');

test('documentation and rules say what the page says', async () => {
  const table = (await file('docs/operations.md')).split('\n## What to watch\n')[1].split('\n## ')[0];
  assert.deepEqual(table.split('\n').filter((line) => line.startsWith('| `')), alarms.map(row));
  assert.equal(await file('deploy/alerts.yml'), rules());
});

// Names and labels are those of a server that runs, or where it has none of these yet, those
// of the documented list, which a test holds at the program.
test('expressions ask for metrics and labels that there are', async () => {
  const documented = (await file('docs/interfaces.md')).split('\n## Metrics\n')[1].split('\n## ')[0];
  const shown = new Reading(await (await get('/metrics')).text(), 0);
  const { panels } = JSON.parse(await file('deploy/grafana-dashboard.json'));
  const expressions = [...alarms.map((a) => expression(a)), ...panels.flatMap((p) => p.targets.map((t) => t.expr))];
  assert.ok(expressions.length > 30);
  for (const e of expressions) {
    const names = e.match(/\b(barrage|go)_[a-z_]+/g);
    assert.ok(names, e);
    for (const name of names) {
      const plain = name.replace('barrage_', '').replace(/_bucket$/, '');
      assert.ok(shown.samples.has(name) || documented.includes(`\`${plain}\``) || documented.includes(`\`${plain}{`), `${name} of ${e} is no metric`);
    }
    const labels = [...(e.match(/by \(([a-z, ]+)\)/)?.[1].split(/, */) ?? []), ...[...e.matchAll(/([a-z]+)=~?"/g)].map((m) => m[1])];
    for (const label of labels.filter((l) => l !== 'instance')) {
      const samples = shown.samples.get(names[0]);
      if (samples) assert.ok(label in samples[0].labels, `${names[0]} has no label ${label}, which ${e} wants`);
      else assert.match(documented, new RegExp(`\`${names[0].replace('barrage_', '')}\\{[a-z,]*${label}`));
    }
  }
});

// promtool also reads what Grafana asks, as rules that record it; and each alarm is on when
// its series says so, and not before.
test('Prometheus takes rules and expressions', async () => {
  const promtool = process.env.PROMTOOL ?? 'promtool';
  const folder = await mkdtemp(join(tmpdir(), 'barrage-rules-'));
  try {
    await writeFile(join(folder, 'alerts.yml'), await file('deploy/alerts.yml'));
    const { panels } = JSON.parse(await file('deploy/grafana-dashboard.json'));
    const recorded = panels.flatMap((p) => p.targets.map((t) => ({ record: `panel:${p.id}:${t.refId}`, expr: t.expr.replaceAll('$instance', '.*') })));
    await writeFile(join(folder, 'grafana.yml'), JSON.stringify({ groups: [{ name: 'grafana', rules: recorded }] }));
    const tests = alarms.flatMap((a) => [true, false].map((fault) => ({
      interval: '15s',
      input_series: [{ series: `barrage_${a.of}${a.label ? `{${a.label}="${a.is}"}` : ''}`, values: valuesOf(a, fault) }],
      alert_rule_test: [{ eval_time: '10m', alertname: `Barrage${a.name}`, exp_alerts: fault ? [{ exp_labels: { severity: a.page ? 'page' : 'ticket', ...(a.label && { [a.label]: a.is }) }, exp_annotations: { summary: a.because, description: a.act } }] : [] }],
    })));
    await writeFile(join(folder, 'tests.yml'), JSON.stringify({ rule_files: ['alerts.yml'], evaluation_interval: '15s', tests }));
    await promisify(execFile)(promtool, ['check', 'rules', 'alerts.yml', 'grafana.yml'], { cwd: folder });
    await promisify(execFile)(promtool, ['test', 'rules', 'tests.yml'], { cwd: folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

// valuesOf is ten minutes of an alarm's series, with its fault or without.
function valuesOf(a, fault) {
  if (a.over) return fault ? `0+${(a.than ?? 0) + 1}x40` : '7+0x40';
  const off = a.op === '==' ? a.than + 1 : (a.than ?? 0);
  return `${fault ? (a.op === '==' ? a.than : off + 1) : off}+0x40`;
}
