// Makes the npm package in package/, which is not committed: modules and CommonJS, each with
// types, and the plain script. The version is that of git.

import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';

import { bytes } from './build.mjs';

const here = import.meta.dirname;
const out = process.argv[2] ?? `${here}/package`;
const entries = { index: '.', core: './core', wechat: './wechat', uni: './uni', reactnative: './react-native', shared: './shared' };

function version() {
  const told = execFileSync('git', ['describe', '--tags', '--always', '--dirty'], { cwd: here, encoding: 'utf8' }).trim();
  return /^v?\d+\.\d+\.\d+/.test(told) ? told.replace(/^v/, '') : `0.0.0-${told}`;
}

const forms = { import: 'mjs', require: 'cjs' };
const exports = {};
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
for (const [name, path] of Object.entries(entries)) {
  exports[path] = {};
  for (const [condition, ending] of Object.entries(forms)) {
    const contents = await bytes({ entryPoints: [`src/${name}.ts`], format: ending === 'mjs' ? 'esm' : 'cjs' });
    await writeFile(`${out}/${name}.${ending}`, contents);
    exports[path][condition] = { types: `./types/${ending}/${name}.d.ts`, default: `./${name}.${ending}` };
  }
}
execFileSync(process.execPath, [`${here}/node_modules/typescript/bin/tsc`, '-p', here, '--emitDeclarationOnly', '--outDir', `${out}/types/mjs`]);
await cp(`${out}/types/mjs`, `${out}/types/cjs`, { recursive: true });
await writeFile(`${out}/types/mjs/package.json`, '{"type":"module"}\n');
await writeFile(`${out}/types/cjs/package.json`, '{"type":"commonjs"}\n');

const { name, description, license, engines } = JSON.parse(await readFile(`${here}/package.json`, 'utf8'));
const manifest = {
  name, version: version(), description, license, engines,
  type: 'module', sideEffects: false,
  main: './index.cjs', module: './index.mjs', types: './types/cjs/index.d.ts', unpkg: './client.js', jsdelivr: './client.js',
  exports: { ...exports, './client.js': './client.js', './client-worker.js': './client-worker.js', './package.json': './package.json' },
};
await writeFile(`${out}/package.json`, JSON.stringify(manifest, null, 2) + '\n');
for (const script of ['client.js', 'client-worker.js']) await cp(`${here}/dist/${script}`, `${out}/${script}`);
await cp(`${here}/README.md`, `${out}/README.md`);
await cp(`${here}/../../LICENSE`, `${out}/LICENSE`);
