// Runs every script and prints nothing: the process whose coverage coverage.test.ts reads.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseScript } from '../engine/script.ts';
import { runCase } from './script.ts';

const folder = join(import.meta.dirname, 'scripts');
for (const file of readdirSync(folder)) {
  for (const scripted of parseScript(readFileSync(join(folder, file), 'utf8'))) {
    runCase(scripted);
  }
}
