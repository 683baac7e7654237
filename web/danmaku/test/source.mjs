// Loads a module of the source as it is, so that what is inside can be tested.

import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

export async function source(name) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    logLevel: 'error',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

// seeded is a random source that is the same in every run.
export function seeded(seed) {
  return () => (seed = (seed * 48271) % 2147483647) / 2147483647;
}
