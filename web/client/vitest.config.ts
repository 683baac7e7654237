// Test files run one after the other: they measure nothing, and share two cores with others.

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 30_000, fileParallelism: false, pool: 'forks', execArgv: ['--expose-gc'] },
});
