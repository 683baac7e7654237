// Builds the renderer into dist/, which is committed, so that the server is built
// without Node; with `check` it fails where dist/ is not what the source makes.
// The same source and tools make the same bytes.

import { mkdir, readFile, writeFile } from 'node:fs/promises';

import { build } from 'esbuild';

const here = import.meta.dirname;

async function made(form) {
  const { outputFiles } = await build({
    ...form,
    absWorkingDir: here,
    entryPoints: ['src/index.ts'],
    write: false,
    bundle: true,
    minify: true,
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    banner: { js: '/* The renderer of flying comments of Barrage, MIT licence. Its manual and source are in web/danmaku of the server. */' },
  });
  return outputFiles[0].contents;
}

const files = {
  'danmaku.mjs': await made({ format: 'esm' }),
  'danmaku.js': await made({ format: 'iife', globalName: 'barrageDanmaku' }),
};

await mkdir(`${here}/dist`, { recursive: true });
for (const [name, contents] of Object.entries(files)) {
  const file = `${here}/dist/${name}`;
  if (process.argv[2] !== 'check') await writeFile(file, contents);
  else if (!(await readFile(file).catch(() => Buffer.alloc(0))).equals(contents)) {
    throw new Error(`dist/${name} is not what the source makes: run make web, and commit it`);
  }
}
