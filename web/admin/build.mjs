// Puts uPlot, which draws the dashboard's plots, into dist/, which is committed, so that the
// server is built without Node; with `check` it fails where dist/ is not what npm has.
// The same source and tools make the same bytes.

import { mkdir, readFile, writeFile } from 'node:fs/promises';

import { build } from 'esbuild';

const here = import.meta.dirname;
const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: ['node_modules/uplot/dist/uPlot.esm.js'],
  write: false,
  bundle: true,
  format: 'esm',
  minify: true,
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  banner: { js: '/* uPlot 1.6.32, https://github.com/leeoniya/uPlot, MIT licence: dist/LICENSE */' },
});
const files = {
  'uplot.js': outputFiles[0].contents,
  'uplot.css': await readFile(`${here}/node_modules/uplot/dist/uPlot.min.css`),
  LICENSE: await readFile(`${here}/node_modules/uplot/LICENSE`),
};

await mkdir(`${here}/dist`, { recursive: true });
for (const [name, contents] of Object.entries(files)) {
  const file = `${here}/dist/${name}`;
  if (process.argv[2] !== 'check') await writeFile(file, contents);
  else if (!(await readFile(file).catch(() => Buffer.alloc(0))).equals(contents)) {
    throw new Error(`dist/${name} is not what npm has: run make web, and commit it`);
  }
}
