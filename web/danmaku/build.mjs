// Builds the renderer into dist/, which is committed, so that the server is built
// without Node; with --check it fails where dist/ is not what the source makes.
// The same source and tools make the same bytes.

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const output = fileURLToPath(new URL('dist/danmaku.js', import.meta.url));

const { outputFiles } = await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ['src/index.ts'],
  outfile: output,
  write: false,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  banner: { js: '/* Barrage danmaku: see web/danmaku/README.md. MIT. */' },
});
const [{ text }] = outputFiles;

if (!process.argv.includes('--check')) {
  await writeFile(output, text);
} else if (text !== (await readFile(output, 'utf8'))) {
  console.error('web/danmaku/dist/danmaku.js is not what its source makes: run make web, and commit it');
  process.exit(1);
}
