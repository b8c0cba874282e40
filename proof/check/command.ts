// `npm run check`: options, what is printed, and the exit code.
import { readOptions, UsageError } from '../disk/options.ts';
import { type CheckReport, check, STATES_MAX, type WorldReport } from './check.ts';
import { configurations } from './configurations.ts';
import { PAIRS } from './pairs.ts';

const HELP = `npm run check -- [options]

Drives the coordinator's own protocol (src/coordinator/engine, and what it concludes of transactions that are not held) through every state
that it can reach with a transaction of N branches: messages in any order, lost, repeated and late; every vote; crashes and restarts of the
coordinator and of participants at every point; a log that fails; deadlines, operators and hands at the databases at any moment. Every
state and every step is judged by the invariants D1 to D9 (docs/protocol.md), and from every state that was reached everything must end
once faults stop (D12). The first violation ends the run and is told as the shortest story that leads to it.

  --branches N    only worlds of 1, 2 or 3 branches, default: those of 1 and those of 2
  --transactions N  1 leaves out what two transactions leave in one log, default 2: more than two meet in nothing else
  --deep          the larger worlds, too: more faults together; half an hour and 8 GB (see below)
  --only NAME     only the world of this name
  --states N      gives a world up that has more states, default ${STATES_MAX}; the run is not complete then
  --list          says which worlds there are, and what may happen in them
  --json          end with one line of JSON: {"states","transitions","violations","complete"}
  --help

Exit code 0: no violation. 1: a violation, or a world that was given up without --states. 2: these options make no sense. What is bounded, and why that is sound, is in docs/checker.md.
A run of --deep wants NODE_OPTIONS=--max-old-space-size=12000.`;

const KINDS = {
  branches: 'number',
  transactions: 'number',
  deep: 'flag',
  only: 'text',
  states: 'number',
  list: 'flag',
  json: 'flag',
  help: 'flag',
} as const;

/** @throws {UsageError} */
export function checkCommand(args: readonly string[]): number {
  const given = readOptions(args, KINDS);
  if (given.help === true) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const branches = given.branches === undefined ? [1, 2] : [Number(given.branches)];
  const deep = given.deep === true;
  const only = typeof given.only === 'string' ? given.only : '';
  const transactions = Number(given.transactions ?? 2);
  if (transactions !== 1 && transactions !== 2) {
    throw new UsageError('--transactions is 1 or 2');
  }
  const selected = branches
    .flatMap((count) => configurations(count, deep))
    .filter(({ name }) => only === '' || name === only);
  if (selected.length === 0 && only !== PAIRS) {
    throw new UsageError(`no world of ${branches.join(' or ')} branches has such a name: npm run check -- --list`);
  }
  if (given.list === true) {
    for (const { name, branches: count, ...faults } of selected) {
      process.stdout.write(`${ofBranches(count)}, ${name}: ${JSON.stringify(faults)}\n`);
    }
    return 0;
  }
  const say = everyTwoSeconds();
  const report = check({
    branches,
    deep,
    transactions,
    only,
    statesMax: Number(given.states ?? STATES_MAX),
    onProgress: say,
    onWorld: (world) => process.stdout.write(`${lineOf(world)}\n`),
  });
  print(report);
  if (given.json === true) {
    const { states, transitions, violations, complete } = report;
    process.stdout.write(`${JSON.stringify({ states, transitions, violations, complete })}\n`);
  }
  // A world that was given up has proved nothing; only whoever asked for that takes it for granted.
  return report.violations === 0 && (report.complete || given.states !== undefined) ? 0 : 1;
}

/** The search never lets go of the thread, so that no timer would be heard: it is asked instead. */
function everyTwoSeconds(): (text: () => string) => void {
  const begun = performance.now();
  let said = begun;
  return (text) => {
    const now = performance.now();
    if (now - said >= 2_000) {
      said = now;
      process.stderr.write(`${Math.round((now - begun) / 1_000)} s: ${text()}\n`);
    }
  };
}

function ofBranches(count: number): string {
  return count === 1 ? '1 branch' : `${count} branches`;
}

function lineOf({
  name,
  branches,
  states,
  transitions,
  depth,
  calmStates,
  seconds,
  isComplete,
  trace,
}: WorldReport): string {
  const end = trace.length > 0 ? 'VIOLATION' : isComplete ? 'complete' : 'GIVEN UP';
  return `${end}  ${ofBranches(branches)}, ${name}: ${states} states, ${transitions} transitions, depth ${depth}, ${calmStates} states without faults (${seconds.toFixed(1)} s)`;
}

function print({ states, transitions, depth, violations, complete, trace, worlds }: CheckReport): void {
  const seconds = worlds.reduce((sum, world) => sum + world.seconds, 0);
  if (violations > 0) {
    process.stdout.write(`\n${trace.join('\n')}\n\n`);
  }
  const how = violations > 0 ? 'stopped at a violation' : complete ? 'complete' : 'NOT complete';
  process.stdout.write(
    `${states} states, ${transitions} transitions, depth ${depth}, ${violations} violations, ${how} (${seconds.toFixed(1)} s)\n`,
  );
}
