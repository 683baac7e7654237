// What any client has to do: client/testdata/scenarios, which the Go client runs too.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';

import { Lines } from './lines.js';
import { each, Run, type Scenario } from './scenario.js';

const home = fileURLToPath(new URL('../../../client/testdata/scenarios/', import.meta.url));
const files = readdirSync(home).filter((f) => f.endsWith('.json'));

test('they are there', () => expect(files.length).toBeGreaterThan(3));

describe.each(files)('%s', (file) => {
  const scenarios = (JSON.parse(readFileSync(home + file, 'utf8')) as Scenario[]).flatMap(each);
  test.concurrent.each(scenarios.map((s) => [s.name, s] as const))('%s', (_, scenario) => new Run(scenario).run());
  test.concurrent.each(scenarios.map((s) => [s.name, s] as const))('by a shared connection: %s', (_, scenario) => new Run(scenario, new Lines().connect).run());
});
