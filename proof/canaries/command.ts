// `npm run canaries`: options, what is printed, and the exit code.
import { readOptions, UsageError } from '../disk/options.ts';
import { showProgress } from '../disk/progress.ts';
import type { Canary, Catcher } from './canary.ts';
import { commandLine } from './catcher.ts';
import { CANARIES } from './list.ts';
import { type Flight, fly, type Landing } from './run.ts';

const LANES = 2;
/** Of what a proof says: enough to know it by, and the command shows the rest. */
const CHARS_MAX = 800;

const HELP = `npm run canaries -- [options]

Plants bugs, one at a time, in a copy of the source, and runs the proof that must notice each: the checker (npm run check), the
simulator (npm run sim), the power-cut proof (npm run crash-states), or a test where none of these has the part that breaks.
A canary is caught when that proof ends with a violation of the invariant that the bug breaks; a proof that crashes, or finds
something else, has not caught it. The same proofs run once where nothing is planted, and must find nothing.

  --only ID   this canary, or several with commas between: C1,C7
  --share K/N every Nth, beginning with the Kth: 1/3, 2/3 and 3/3 together are all of them
  --list      says which canaries there are, what each plants and which command must notice it
  --lanes N   how many at a time, default ${LANES}
  --json      end with one line of JSON: {"planted","caught"}
  --help

Exit code 0: every canary was caught, and nothing was found where nothing was planted. 1: not so. 2: these options make no sense.
A canary that is out of date, because the source at its place has changed, is not caught: fix it in proof/canaries.`;

const KINDS = { only: 'text', share: 'text', list: 'flag', lanes: 'number', json: 'flag', help: 'flag' } as const;

/** The proofs as the canaries use them, where nothing is planted. */
const UNHARMED: readonly Catcher[] = [
  { kind: 'check', branches: 1, world: 'crashes' },
  { kind: 'sim', seeds: 20 },
];

/** @throws {UsageError} */
export async function canariesCommand(args: readonly string[]): Promise<number> {
  const given = readOptions(args, KINDS);
  if (given.help === true) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  if (given.only !== undefined && given.share !== undefined) {
    throw new UsageError('--only names the canaries, --share takes some of all: give one of them');
  }
  const canaries = typeof given.share === 'string' ? shareOf(given.share) : selected(given.only);
  if (given.list === true) {
    for (const canary of canaries) {
      process.stdout.write(`${describe(canary)}\n`);
    }
    return 0;
  }
  const lanes = Number(given.lanes ?? LANES);
  if (lanes < 1) {
    throw new UsageError('--lanes is at least 1');
  }
  const unharmed: readonly Flight[] = UNHARMED.map((caughtBy) => ({ canary: undefined, caughtBy }));
  const flights: readonly Flight[] = [
    ...(given.only === undefined ? unharmed : []),
    ...canaries.map((canary) => ({ canary, caughtBy: canary.caughtBy })),
  ];
  const landings = await flown(flights, lanes);
  const caught = landings.filter(({ canary, isRight }) => canary !== undefined && isRight).length;
  process.stdout.write(`${canaries.length} canaries, ${caught} caught\n`);
  if (given.json === true) {
    process.stdout.write(`${JSON.stringify({ planted: canaries.length, caught })}\n`);
  }
  return landings.every(({ isRight }) => isRight) ? 0 : 1;
}

function selected(only: unknown): readonly Canary[] {
  if (typeof only !== 'string') {
    return CANARIES;
  }
  return only.split(',').map((id) => {
    const canary = CANARIES.find((one) => one.id === id);
    if (canary === undefined) {
      throw new UsageError(`there is no canary ${id}: npm run canaries -- --list`);
    }
    return canary;
  });
}

/** Every Nth: neighbours in the list are alike, so each share has some of every kind. */
function shareOf(text: string): readonly Canary[] {
  const [, first, of] = /^([1-9]\d*)\/([1-9]\d*)$/.exec(text) ?? [];
  const share = Number(first);
  const shares = Number(of);
  if (!(share <= shares && shares <= CANARIES.length)) {
    throw new UsageError(`--share ${text}: write K/N with K from 1 to N, N at most ${CANARIES.length}, as in 1/3`);
  }
  return CANARIES.filter((_, index) => index % shares === share - 1);
}

async function flown(flights: readonly Flight[], lanes: number): Promise<readonly Landing[]> {
  using progress = showProgress();
  let landed = 0;
  progress.say(() => `${landed} of ${flights.length} have landed`);
  return await fly({
    ...{ flights, lanes },
    onLanding: (landing) => {
      landed += 1;
      process.stdout.write(`${lineOf(landing)}\n`);
    },
  });
}

function lineOf({ canary, caughtBy, verdict, seconds, isRight }: Landing): string {
  const time = `${seconds.toFixed(1)} s`;
  const { violations, trouble } = verdict;
  const violation = violations.find((one) => canary?.sees.test(one)) ?? violations[0];
  const found = (violation ?? trouble ?? 'it found nothing').slice(0, CHARS_MAX);
  if (canary === undefined) {
    return isRight
      ? `silent      nothing is planted (${caughtBy.kind}, ${time})`
      : `CRIES WOLF  nothing is planted (${caughtBy.kind}, ${time})\n  ${found}\n  ${commandLine(caughtBy)}`;
  }
  const head = `${isRight ? 'caught     ' : 'NOT CAUGHT '} ${canary.id}: ${canary.title} (${caughtBy.kind}, ${time})`;
  return isRight ? `${head}\n  ${found}` : `${head}\n  wanted ${canary.sees}: ${found}\n  ${commandLine(caughtBy)}`;
}

function describe({ id, title, breaks, patches, caughtBy }: Canary): string {
  const files = [...new Set(patches.map(({ file }) => file))].join(', ');
  const why = caughtBy.kind === 'test' ? `\n  ${caughtBy.why}` : '';
  return `${id}: ${title}\n  breaks ${breaks.join(', ')}; in ${files}\n  ${commandLine(caughtBy)}${why}`;
}
