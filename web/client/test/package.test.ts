// The npm package as those who install it see it, and the examples of its manual.

import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';

import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';

import { Barrage, type Options } from '../src/index.js';
import { Server, node, secret, token, until } from './server.js';

const here = fileURLToPath(new URL('..', import.meta.url));
let server: Server;
let home: string; // a project that has installed the package

const run = (command: string, ...args: string[]): string => execFileSync(command, args, { cwd: home, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

beforeAll(async () => {
  server = await Server.start('--auth-secret', secret, '--anonymous');
  home = await mkdtemp(join(tmpdir(), 'barrage-client-'));
  run('node', join(here, 'pack.mjs'), join(home, 'package'));
  const [packed] = JSON.parse(run('npm', 'pack', './package', '--json')) as { filename: string; files: { path: string }[] }[];
  expect(packed!.files.map((f) => f.path)).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'client.js', 'client-worker.js', 'index.mjs', 'index.cjs', 'types/mjs/index.d.ts']));
  await writeFile(join(home, 'package.json'), '{"private":true}');
  run('npm', 'install', '--offline', '--no-audit', '--no-fund', '--engine-strict', './' + packed!.filename);
}, 60_000);
afterAll(async () => {
  await server.stop();
  await rm(home, { recursive: true, force: true });
});

test('import and require give the client and the adapters', () => {
  const names = ['barrage-client', 'barrage-client/core', 'barrage-client/wechat', 'barrage-client/uni', 'barrage-client/react-native', 'barrage-client/shared'];
  const list = JSON.stringify(names);
  const want = '[["Barrage","BarrageError"],["Barrage","BarrageError"],["wechat"],["uniApp"],["reactNative"],["shared"]]';
  expect(run('node', '--input-type=module', '-e', `console.log(JSON.stringify(await Promise.all(${list}.map(async (n) => Object.keys(await import(n)).sort()))))`).trim()).toBe(want);
  expect(run('node', '-e', `console.log(JSON.stringify(${list}.map((n) => Object.keys(require(n)).sort())))`).trim()).toBe(want);
});

test('its types are strict, and say nothing of its inside', async () => {
  const use = `import { Barrage, type Message } from 'barrage-client';
import { wechat } from 'barrage-client/wechat';
interface Comment { text: string }
export async function main(): Promise<number | undefined> {
  const room = new Barrage('/ws').room<Comment>('lobby', { history: 10 });
  room.on('message', (m: Message<Comment>) => m.data.text.length);
  // @ts-expect-error: a room has no such event
  room.on('massage', () => {});
  // @ts-expect-error: this is no comment
  void room.publish(7);
  // @ts-expect-error: not for pages
  room._up();
  void wechat;
  return (await room.publish({ text: 'hi' })).offset;
}
`;
  await writeFile(join(home, 'use.mts'), use);
  await writeFile(join(home, 'use.cts'), use);
  await writeFile(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions: { strict: true, noEmit: true, module: 'node16', lib: ['es2020', 'dom'], types: [] }, files: ['use.mts', 'use.cts'] }));
  run('node', join(here, 'node_modules/typescript/bin/tsc'), '-p', '.');
  const types = await readFile(join(home, 'node_modules/barrage-client/types/mjs/index.d.ts'), 'utf8');
  expect(types).not.toMatch(/\bany\b/);
}, 60_000);

test('the examples of the manual run', async () => {
  const manual = await readFile(join(here, 'README.md'), 'utf8');
  const blocks = (kind: string): string[] => [...manual.matchAll(new RegExp('```' + kind + '\\n([^]*?)```', 'g'))].map((m) => m[1]!);
  const at = (text: string): string => text.replace(/(wss|https):\/\/example\.com/g, `ws://127.0.0.1:${server.port}`);
  const clients: Barrage[] = [];
  class Here extends Barrage {
    constructor(url?: string, options: Options = {}) {
      super(url, { ...node, ...options });
      clients.push(this);
    }
  }
  const shown: unknown[] = [];
  const world = { Barrage: Here, show: (x: unknown) => shown.push(x), note: () => {}, getToken: (user: string) => token({ sub: user }) };
  const code = blocks('js').join('\n');
  const main = new Function(...Object.keys(world), `return (async () => {${at(code)}})()`) as (...args: unknown[]) => Promise<void>;
  await main(...Object.values(world));
  await until('all was shown', () => shown.length >= 3);
  expect(shown).toContain('mine');
  clients.forEach((c) => c.close());

  const script = await (await fetch(`http://127.0.0.1:${server.port}/client.js`)).text();
  const inline = [...blocks('html')[0]!.matchAll(/<script>([^]*?)<\/script>/g)][0]![1]!;
  const seen: unknown[] = [];
  const page: Record<string, unknown> = { WebSocket, setTimeout, clearTimeout, show: (x: unknown) => seen.push(x) };
  page['globalThis'] = page;
  runInNewContext(`${script};${at(inline)}; globalThis.end = () => client.close()`, page);
  await until('it was shown', () => seen.length > 0);
  expect(seen).toEqual(['hello']);
  (page['end'] as () => void)();
});
