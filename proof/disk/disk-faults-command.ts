// `npm run disk-faults`: options, what is printed, and the exit code.
import { DISK_FAULTS, proveDiskFaults } from './disk-faults.ts';
import { parseFault } from './fault-plan.ts';
import { readOptions, UsageError } from './options.ts';
import { showProgress } from './progress.ts';

const HELP = `npm run disk-faults -- [options]

Runs lives of the log in which one system call on its files fails (EIO, ENOSPC, EDQUOT, EMFILE, EINTR) or takes five seconds: the
first, the second, and so on to the last of each kind. What was acknowledged must be there at the next start, and nothing that was
never appended; who waits must be told LOG_FAILED.

  --seed N        of the load and the sample, default: drawn
  --sample N      so many runs, of all kinds, instead of every one
  --fault F       only this one, as a finding names it: making|worker|inline:call:error:number
  --transactions N  in each life, default ${DISK_FAULTS.transactions}
  --json          end with one line of JSON: {"seed","runs","struck","failed","refusedStarts","lost","invented","refused","misbehaved","seconds"}
  --help

Exit code 1: something was lost or invented, the next start was refused, or the log misbehaved. Needs strace.`;

const KINDS = {
  seed: 'number',
  sample: 'number',
  transactions: 'number',
  fault: 'text',
  json: 'flag',
  help: 'flag',
} as const;

/** @throws {UsageError} */
export async function diskFaultsCommand(args: readonly string[]): Promise<number> {
  const given = readOptions(args, KINDS);
  if (given.help === true) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const only = given.fault === undefined ? undefined : parseFault(String(given.fault));
  if (given.fault !== undefined && only === undefined) {
    throw new UsageError(`--fault is like worker:fsync:EIO:12, not ${String(given.fault)}`);
  }
  const seed = Number(given.seed ?? Math.floor(Math.random() * 1e9));
  const transactions = Number(given.transactions ?? DISK_FAULTS.transactions);
  if (transactions < 1 || given.sample === '0') {
    throw new UsageError('--sample and --transactions are at least 1');
  }
  const sample = given.sample === undefined ? undefined : Number(given.sample);
  process.stderr.write(`seed ${seed}\n`);
  using progress = showProgress();
  const { findings, ...numbers } = await proveDiskFaults(
    { ...DISK_FAULTS, seed, sample, transactions, only },
    progress,
  );
  for (const { fault, kind, why } of findings) {
    const again = `npm run disk-faults -- --seed ${seed} --transactions ${transactions} --fault ${fault}`;
    process.stdout.write(`${kind} after ${fault}: ${why}\n  ${again}\n`);
  }
  const { runs, struck, failed, refusedStarts, lost, invented, refused, misbehaved, seconds } = numbers;
  process.stdout.write(
    `seed ${seed}: ${runs} runs, ${struck} with a fault in them: the log failed in ${failed} and was not opened in ${refusedStarts}; ${lost} lost, ${invented} invented, ${refused} refused, ${misbehaved} misbehaved (${seconds.toFixed(0)} s)\n`,
  );
  if (given.json === true) {
    process.stdout.write(`${JSON.stringify(numbers)}\n`);
  }
  return findings.length === 0 ? 0 : 1;
}
