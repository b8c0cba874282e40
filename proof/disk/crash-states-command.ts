// `npm run crash-states`: options, what is printed, and the exit code.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CrashStatesOptions, CrashStatesReport } from './crash-states.ts';
import { CRASH_STATES, examineState, proveCrashStates } from './crash-states.ts';
import { readOptions, UsageError } from './options.ts';
import { showProgress } from './progress.ts';

const HELP = `npm run crash-states -- [options]

Records the system calls of several lives of the log under load, rebuilds every kind of state that a cut of the power could
leave on the disk at any moment, and reads the log in each: everything that was acknowledged must be there, nothing else, and it
must start.

  --seed N        of the load and the states, default: drawn
  --states N      distinct states to aim for, default ${CRASH_STATES.states}
  --seconds N     each moment gets fewer states where they would take longer, default ${CRASH_STATES.seconds}
  --lives N       default ${CRASH_STATES.lives}
  --transactions N  in each life, default ${CRASH_STATES.transactions}
  --lies KIND     which syncs do not count: wal (as with synchronous = NORMAL) or all. Losses must be found then: exit code 1
  --recording F   judges the recording of an earlier run, which is kept when something is found
  --state C:N     with --recording: makes this one state again, and says what is wrong with it
  --json          end with one line of JSON: {"seed","states","lost","invented","refused","started","cuts","syncs","seconds"}
  --help

Exit code 1: something was lost, invented or refused. Needs strace.`;

const KINDS = {
  seed: 'number',
  states: 'number',
  seconds: 'number',
  lives: 'number',
  transactions: 'number',
  lies: 'text',
  recording: 'text',
  state: 'text',
  json: 'flag',
  help: 'flag',
} as const;

/** @param keep the directory for what should outlive a run. @throws {UsageError} */
export async function crashStatesCommand(args: readonly string[], keep: string): Promise<number> {
  const given = readOptions(args, KINDS);
  if (given.help === true) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const lies = given.lies ?? 'none';
  if (lies !== 'none' && lies !== 'wal' && lies !== 'all') {
    throw new UsageError(`--lies is wal or all, not ${String(lies)}`);
  }
  const options: CrashStatesOptions = {
    ...CRASH_STATES,
    seed: Number(given.seed ?? Math.floor(Math.random() * 1e9)),
    states: Number(given.states ?? CRASH_STATES.states),
    seconds: Number(given.seconds ?? CRASH_STATES.seconds),
    lives: Number(given.lives ?? CRASH_STATES.lives),
    transactions: Number(given.transactions ?? CRASH_STATES.transactions),
    lies,
    recording: typeof given.recording === 'string' ? given.recording : undefined,
  };
  if (options.states < 1 || options.lives < 1 || options.transactions < 1) {
    throw new UsageError('--states, --lives and --transactions are at least 1');
  }
  if (given.state !== undefined) {
    return showState(options, String(given.state), keep);
  }
  process.stderr.write(`seed ${options.seed}\n`);
  const recording = join(keep, 'crash-states', `seed-${options.seed}.recording`);
  using progress = showProgress();
  const report = await proveCrashStates(options, progress, recording);
  print(report, options, options.recording ?? recording);
  if (given.json === true) {
    const { findings: _, ...numbers } = report;
    process.stdout.write(`${JSON.stringify(numbers)}\n`);
  }
  return report.findings.length === 0 ? 0 : 1;
}

function print(report: CrashStatesReport, options: CrashStatesOptions, recording: string): void {
  const { states, cuts, syncs, started, seconds, lost, invented, refused, findings } = report;
  const again = `npm run crash-states -- --seed ${options.seed} --states ${options.states} --recording ${recording}`;
  const lies = options.lies === 'none' ? '' : ` --lies ${options.lies}`;
  for (const { state, verdict } of findings) {
    process.stdout.write(`${verdict.kind} in state ${state}: ${verdict.why}\n  ${again}${lies} --state ${state}\n`);
  }
  const rate = Math.round(states / seconds);
  process.stdout.write(
    `seed ${options.seed}: ${states} states of ${cuts} moments with ${syncs} syncs, ${started} of them also started: ${lost} lost, ${invented} invented, ${refused} refused (${seconds.toFixed(0)} s, ${rate}/s)\n`,
  );
}

async function showState(options: CrashStatesOptions, state: string, keep: string): Promise<number> {
  if (options.recording === undefined || !/^\d+:\d+$/.test(state)) {
    throw new UsageError('--state is two numbers with a colon, and needs --recording');
  }
  const directory = join(keep, 'crash-states', `state-${state.replace(':', '-')}`);
  await mkdir(directory, { recursive: true });
  const { hashes, findings } = await examineState(options, state, directory);
  if (hashes.length === 0) {
    throw new UsageError(`the recording has no state ${state} with this seed and number of states`);
  }
  const [finding] = findings;
  const verdict = finding === undefined ? 'whole' : `${finding.verdict.kind}: ${finding.verdict.why}`;
  process.stdout.write(`${verdict}\nthe files are in ${directory}\n`);
  return finding === undefined ? 0 : 1;
}
