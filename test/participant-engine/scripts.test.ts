// Every case of scripts/*.txt. UPDATE_SCRIPTS=1 rewrites the traces: only if each change can be explained, and never in CI.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatScript, parseScript } from '../engine/script.ts';
import { runCase } from './script.ts';

const FOLDER = join(import.meta.dirname, 'scripts');
const isUpdating = process.env['UPDATE_SCRIPTS'] === '1';
if (isUpdating && process.env['CI'] !== undefined) {
  throw new Error('UPDATE_SCRIPTS=1 in CI: a trace that rewrites itself proves nothing');
}

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
  const path = join(FOLDER, file);
  const cases = parseScript(readFileSync(path, 'utf8'));
  describe(basename(file, '.txt'), () => {
    for (const scripted of cases) {
      test(scripted.title, () => {
        const trace = runCase(scripted);
        if (!isUpdating) {
          expect(trace.join('\n')).toBe(scripted.expected.join('\n'));
        }
      });
    }
  });
  if (isUpdating) {
    writeFileSync(path, formatScript(cases.map((scripted) => ({ ...scripted, expected: runCase(scripted) }))));
  }
}
