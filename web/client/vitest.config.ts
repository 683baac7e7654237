// Test files run one after the other, in one process: they measure nothing, and share two cores
// with others.

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 30_000, fileParallelism: false, isolate: false, maxWorkers: 1, pool: 'forks', execArgv: ['--expose-gc'] },
});
