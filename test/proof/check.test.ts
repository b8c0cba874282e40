// The checker of `npm run check`: complete and silent on the shipped protocol, and never silent on a planted bug.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { check } from '../../proof/check/check.ts';
import { DECISION_BUGS } from './check-planted-decisions.ts';
import { INSTANCE_BUGS } from './check-planted-instances.ts';
import { VOTE_BUGS } from './check-planted-votes.ts';

const TIMEOUT_MS = 180_000;
const MAIN = join(import.meta.dirname, '..', '..', 'proof', 'check', 'main.ts');

/** As a process of its own, where nothing of the test runner slows it down. */
function run(...args: readonly string[]): { readonly status: number | null; readonly lines: readonly string[] } {
  const { status, stdout } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: TIMEOUT_MS });
  return { status, lines: stdout.trimEnd().split('\n') };
}

describe('npm run check', () => {
  test('one branch: every reachable state is judged, and none violates an invariant', { timeout: TIMEOUT_MS }, () => {
    const { status, lines } = run('--branches', '1', '--json');
    expect(lines.join('\n')).not.toMatch(/VIOLATION|GIVEN UP/);
    expect(status).toBe(0);
    const report = JSON.parse(lines.at(-1) ?? '');
    expect(report).toMatchObject({ violations: 0, complete: true });
    // A model in which something went missing would be small.
    expect(report.states).toBeGreaterThan(400_000);
    expect(report.transitions).toBeGreaterThan(3_000_000);
  });

  test('a run that was given up says that it is not complete', { timeout: TIMEOUT_MS }, () => {
    const { status, lines } = run('--branches', '1', '--only', 'crashes', '--states', '1000', '--json');
    expect(lines[0]).toMatch(/^GIVEN UP {2}1 branch, crashes: /);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ violations: 0, complete: false });
    expect(status).toBe(0);
  });

  test('what makes no sense is refused with exit code 2', () => {
    for (const args of [['--branches', '9'], ['--branches', 'two'], ['--only', 'nothing'], ['--fast'], ['more']]) {
      expect(run(...args).status, args.join(' ')).toBe(2);
    }
    expect(run('--help').lines[0]).toBe('npm run check -- [options]');
  });
});

describe('a planted bug is found, with the shortest story that shows it:', () => {
  for (const { name, branches, world, deep = false, planted, violates } of [
    ...DECISION_BUGS,
    ...VOTE_BUGS,
    ...INSTANCE_BUGS,
  ]) {
    test(name, { timeout: TIMEOUT_MS }, () => {
      const { violations, complete, trace } = check({ branches: [branches], only: world, deep }, planted);
      expect(violations, 'it is found').toBe(1);
      expect(complete).toBe(false);
      expect(trace.at(-1)?.replace('→ ', '')).toMatch(violates);
      // It begins with a transaction that was begun, and tells what happened, one thing a line.
      expect(trace[0]).toMatch(/coordinator: active/);
      expect(trace.length).toBeLessThan(40);
      expect(trace.join('\n')).not.toMatch(/undefined|NaN|\[object/);
    });
  }
});
