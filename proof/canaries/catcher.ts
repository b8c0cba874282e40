// Runs the proof that is to notice a canary, as a process of its own, and reads from what it says whether it did.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Scratch } from '../disk/scratch.ts';
import type { Catcher } from './canary.ts';

export interface Verdict {
  /** What the proof found, a line for each; none: it found nothing, or did not get that far. */
  readonly violations: readonly string[];
  /** The proof ran to its end and found nothing. */
  readonly isGreen: boolean;
  /** Why it did neither. */
  readonly trouble: string | undefined;
}

interface Ended {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly complaint: string;
}

interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** A file that the program writes; it stands for its last line. */
  readonly report?: string;
  /** What each line that tells of a violation says. */
  readonly violations: (lines: readonly string[]) => readonly string[];
  /** How many violations its last line counts; undefined: it has no such line, so that it did not run to its end. */
  readonly count: (last: Readonly<Record<string, unknown>>) => unknown;
}

/** One canary may take so long on a busy machine; one that takes longer is not caught. */
const LIMIT_MS = 180_000;

const REPORT = 'canary.json';

/** How people run it by hand. */
export function commandLine(catcher: Catcher): string {
  const { program, args } = commandOf(catcher);
  return ['node', program, ...args].map((word) => (/[^\w./:-]/.test(word) ? `'${word}'` : word)).join(' ');
}

/** @param directory the copy of the checkout. */
export async function runCatcher(catcher: Catcher, directory: string, scratch: Scratch): Promise<Verdict> {
  const command = commandOf(catcher);
  const { code, lines, complaint } = await run(command, directory, scratch);
  const count = command.count(lastLine(lines));
  if (code === 0 && count === 0) {
    return { violations: [], isGreen: true, trouble: undefined };
  }
  const violations = command.violations(lines);
  if (code === 1 && typeof count === 'number' && count > 0 && violations.length > 0) {
    return { violations, isGreen: false, trouble: undefined };
  }
  const trouble = `${commandLine(catcher)} ended with ${code ?? 'a signal'}: ${complaint}`;
  return { violations: [], isGreen: false, trouble };
}

function commandOf(catcher: Catcher): Command {
  switch (catcher.kind) {
    case 'check': {
      const { branches, world, deep } = catcher;
      return {
        program: join('proof', 'check', 'main.ts'),
        args: ['--branches', `${branches}`, '--only', world, ...(deep ? ['--deep'] : []), '--json'],
        // The last line of the story says what is wrong with where it ends.
        violations: (lines) => told(lines, /^→ (.*)/).slice(-1),
        count: ({ violations }) => violations,
      };
    }
    case 'sim': {
      const { from = 1, seeds, transactions = 60 } = catcher;
      const args = ['--from', `${from}`, '--seeds', `${seeds}`, '--transactions', `${transactions}`];
      return {
        program: join('proof', 'sim', 'main.ts'),
        args: [...args, '--threads', '1', '--findings', '1', '--json'],
        violations: (lines) => told(lines, /^seed \d+ violates (.*)/),
        count: ({ violations }) => violations,
      };
    }
    case 'crash-states': {
      const args = ['crash-states', '--seed', `${catcher.seed}`, '--states', `${catcher.states}`, '--json'];
      return {
        program: join('proof', 'disk', 'main.ts'),
        args,
        violations: (lines) => told(lines, /^((?:lost|invented|refused) in state .*)/),
        count: ({ lost, invented, refused }) => Number(lost) + Number(invented) + Number(refused),
      };
    }
    case 'test':
      return {
        program: join('node_modules', 'vitest', 'vitest.mjs'),
        args: ['run', catcher.file, '--testNamePattern', catcher.named, '--reporter=json', `--outputFile=${REPORT}`],
        report: REPORT,
        violations: failedTests,
        count: ({ numFailedTests, numTotalTests }) => (Number(numTotalTests) > 0 ? numFailedTests : undefined),
      };
  }
}

/** What `line` finds in each of the lines that it fits. */
function told(lines: readonly string[], line: RegExp): readonly string[] {
  return lines.flatMap((one) => line.exec(one)?.[1] ?? []);
}

/** The failed tests of vitest's report, each with what it expected. */
function failedTests(lines: readonly string[]): readonly string[] {
  const report = lastLine(lines) as {
    readonly testResults?: readonly {
      readonly assertionResults: readonly {
        readonly status: string;
        readonly fullName: string;
        readonly failureMessages: readonly string[];
      }[];
    }[];
  };
  return (report.testResults ?? [])
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]?.split('\n')[0]}`);
}

function lastLine(lines: readonly string[]): Readonly<Record<string, unknown>> {
  try {
    const last: unknown = JSON.parse(lines.at(-1) ?? '');
    return typeof last === 'object' && last !== null ? { ...last } : {};
  } catch {
    return {};
  }
}

function run({ program, args, report }: Command, cwd: string, scratch: Scratch): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const kill = scratch.own(child, true);
  const timer = setTimeout(kill, LIMIT_MS);
  const [said, complained]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => complained.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      const complaint = Buffer.concat(complained).toString().trim().slice(-600) || 'it said nothing';
      const lines = Buffer.concat(said).toString().trimEnd().split('\n');
      resolve({ code, lines: report === undefined ? lines : [...lines, taken(join(cwd, report))], complaint });
    });
  });
}

/** What the file holds, which is not left for the next one. */
function taken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return ''; // The program did not get that far.
  } finally {
    rmSync(path, { force: true });
  }
}
