// Builds the client: what the server serves into dist/, which is committed, so that a
// server is built without Node. With `check` nothing is written: it fails if dist/ is not
// what the source makes, or the core is longer than it may be.
//
// The same source and tools make the same bytes. Members that begin with _ are the
// client's own, and get short names.

import { readFile, mkdir, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const CORE_BYTES = 8 * 1024; // gzipped
const here = import.meta.dirname;

const form = {
  bundle: true,
  write: false,
  minify: true,
  target: 'es2020',
  charset: 'utf8',
  legalComments: 'none',
  mangleProps: /^_[a-zA-Z]/,
  absWorkingDir: here,
  banner: { js: '/* The client of Barrage, MIT licence. Its manual and source are in web/client of the server. */' },
};

/** One form of the client. */
export async function bytes(options) {
  const { outputFiles } = await build({ ...form, ...options });
  return outputFiles[0].contents;
}

async function main(command) {
  const files = {
    'client.js': await bytes({ entryPoints: ['src/index.ts'], format: 'iife', globalName: 'barrage' }),
    'client.mjs': await bytes({ entryPoints: ['src/index.ts'], format: 'esm' }),
    'client-shared.mjs': await bytes({ entryPoints: ['src/shared.ts'], format: 'esm' }),
    'client-worker.js': await bytes({ entryPoints: ['src/worker.ts'], format: 'iife' }),
  };

  const core = gzipSync(await bytes({ entryPoints: ['src/core.ts'], format: 'esm' }), { level: 9 }).length;
  console.log(`core: ${core} bytes gzipped, of ${CORE_BYTES}`);
  if (core > CORE_BYTES) throw new Error('the core is too long');

  if (command === 'check') {
    for (const [name, made] of Object.entries(files)) {
      const committed = await readFile(`${here}/dist/${name}`).catch(() => Buffer.alloc(0));
      if (!committed.equals(made)) throw new Error(`dist/${name} is not what the source makes: run npm run build, and commit it`);
    }
  } else {
    await mkdir(`${here}/dist`, { recursive: true });
    for (const [name, made] of Object.entries(files)) await writeFile(`${here}/dist/${name}`, made);
  }
}

if (import.meta.filename === process.argv[1]) await main(process.argv[2]);
