// Builds the client: what the server serves into dist/, which is committed, and with
// `pack` the npm package into package/, which is not.
//
// The same source and tools make the same bytes. Members that begin with _ are the
// client's own, and get short names.

import { build } from 'esbuild';

const served = {
  bundle: true,
  minify: true,
  target: 'es2020',
  charset: 'utf8',
  legalComments: 'none',
  mangleProps: /^_[a-zA-Z]/,
  absWorkingDir: import.meta.dirname,
};

const banner = { js: '/* Barrage client: see docs/client.md of the server. MIT. */' };

await Promise.all([
  build({ ...served, banner, entryPoints: ['src/index.ts'], format: 'iife', globalName: 'barrage', outfile: 'dist/client.js' }),
  build({ ...served, banner, entryPoints: ['src/index.ts'], format: 'esm', outfile: 'dist/client.mjs' }),
  build({ ...served, banner, entryPoints: ['src/core.ts'], format: 'esm', outfile: 'dist/core.mjs' }),
]);
