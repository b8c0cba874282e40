// A run: episodes of faults under load, each healed and judged, until there were kills enough.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { dice, seedOf } from '../disk/dice.ts';
import type { Progress } from '../disk/progress.ts';
import { askedAfterwards } from './afterwards.ts';
import { Deaths } from './deaths.ts';
import { closeWorld } from './ending.ts';
import { cutHistories } from './histories.ts';
import { judge, type Violation } from './judge.ts';
import { makeMistakes } from './mistakes.ts';
import { comes } from './patience.ts';
import { CALM, drawLife, drawStrike, drawSwarm, type Swarm } from './plan.ts';
import { readReports, type Told } from './reports.ts';
import { everythingEnds, heal, quieten } from './settle.ts';
import { MONEY_PER_SIDE, readBooks, type SideName } from './sides.ts';
import { Striker } from './striker.ts';
import { buildWorld, everyPart, type World } from './world.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** Ends with the episode in which both are reached. */
  readonly kills: number;
  readonly minutes: number;
  readonly sides: readonly SideName[];
  /** Make the mistakes of operators at the end. */
  readonly mistakes: boolean;
  /** Cut the history of each database at the very end. */
  readonly histories: boolean;
  /** For everything that the run writes; the caller removes it. */
  readonly directory: string;
}

export interface ChaosReport {
  readonly seed: number;
  readonly kills: number;
  /** So many of them struck what had not recovered from the one before. */
  readonly inRecovery: number;
  readonly transactions: number;
  readonly answers: Readonly<Record<Told['answer'], number>>;
  readonly episodes: number;
  /** How often a process died at each failpoint. */
  readonly failpoints: ReadonlyMap<string, number>;
  /** How often each kind of fault was done. */
  readonly faults: ReadonlyMap<string, number>;
  /** What could not be tried here, and why. */
  readonly skipped: readonly string[];
  readonly seconds: number;
  readonly violations: readonly Violation[];
}

export const KILLS_PER_EPISODE = 60;
/** The longest pause between two strikes: what takes longer to come back is struck again. */
const RECOVERY_MAX_MS = 4_000;
/** What the healed system must do again before it is judged. */
const COMMITS_AFTER = 20;
const COMMITS_WITHIN_MS = 60_000;
/** An episode whose faults kill too little ends all the same. */
const EPISODE_MAX_MS = 90_000;

export async function runChaos(options: ChaosOptions, progress: Progress): Promise<ChaosReport> {
  const begun = performance.now();
  const { seed, sides, directory } = options;
  const mark = randomUUID();
  const deaths = new Deaths();
  let swarm: Swarm | undefined;
  let isOpen = false;
  const work = { commits: 0 };
  progress.say(() => 'starting the databases');
  const world = await buildWorld({
    directory,
    seed,
    sides,
    mark,
    drawLife: (kind, name, life) =>
      swarm === undefined ? CALM : drawLife(dice(seedOf(seedOf(seed, numberOf(name)), life)), swarm, kind),
    onDeath: (death) => deaths.add(death),
    onCommitted: () => {
      work.commits += 1;
    },
    onDatabaseKilled: (inRecovery) => deaths.addDatabase(inRecovery),
    onReady: (kind, child) => kind === 'application' && isOpen && child.tell('go'),
    onProgress: (text) => progress.say(() => text),
  });
  const striker = new Striker(world, deaths);
  const violations: Violation[] = [];
  let episodes = 0;
  let told: readonly Told[] = [];
  const asked = new Set<string>();
  const enough = (): boolean => deaths.kills >= options.kills && performance.now() - begun >= options.minutes * 60_000;
  try {
    for (const part of [world.coordinator, ...world.sidecars, ...world.applications]) {
      part.keep();
    }
    progress.say(() => `${deaths.kills} kills, ${told.length} transactions judged in ${episodes} episodes`);
    violations.push(...(await heal(world)));
    while (violations.length === 0 && (episodes === 0 || !enough())) {
      episodes += 1;
      const roll = dice(seedOf(seed, episodes));
      swarm = drawSwarm(roll);
      isOpen = true;
      await strikeFor(world, striker, swarm, roll, deaths, work);
      striker.end();
      violations.push(...(await heal(world)));
      const wanted = work.commits + COMMITS_AFTER;
      if (violations.length === 0 && !(await comes(COMMITS_WITHIN_MS, () => work.commits >= wanted))) {
        const count = COMMITS_AFTER - (wanted - work.commits);
        violations.push({
          kind: 'stuck',
          why: `all is healed, and ${COMMITS_WITHIN_MS} ms later ${count} are committed`,
        });
      }
      isOpen = false;
      violations.push(...(await quieten(world)));
      told = (await Promise.all(world.reports.map(readReports))).flat();
      if (violations.length === 0) {
        violations.push(...(await everythingEnds(world)));
      }
      const books = await Promise.allSettled(world.databases.map(({ server }) => readBooks(server)));
      const read = books.flatMap((book) => (book.status === 'fulfilled' ? [book.value] : []));
      // A database that is not back was told of already: what is not there cannot be judged.
      violations.push(
        ...(read.length === books.length
          ? judge(read, told, MONEY_PER_SIDE * sides.length)
          : [{ kind: 'stuck', why: `${books.length - read.length} of the databases cannot be read` } as const]),
      );
      if (violations.length === 0) {
        const news = told.filter(({ id }) => !asked.has(id));
        violations.push(...(await askedAfterwards(world.address, news, read)));
        for (const { id } of news) {
          asked.add(id);
        }
      }
      violations.push(...deaths.violations());
    }
    if (violations.length === 0 && options.mistakes) {
      progress.say(() => 'making the mistakes of operators');
      violations.push(...(await makeMistakes(world)), ...(await everythingEnds(world)), ...deaths.violations());
    }
    if (violations.length === 0 && options.histories) {
      progress.say(() => 'cutting the histories of databases');
      violations.push(...(await cutHistories(world, directory)), ...(await everythingEnds(world)));
      violations.push(...deaths.violations());
    }
  } finally {
    striker.end();
    violations.push(...(await closeWorld(world, mark, directory, progress)));
  }
  return {
    seed,
    kills: deaths.kills,
    inRecovery: deaths.inRecovery,
    transactions: told.length,
    answers: countAnswers(told),
    episodes,
    failpoints: deaths.failpoints,
    faults: striker.done,
    skipped: striker.skipped,
    seconds: (performance.now() - begun) / 1_000,
    violations,
  };
}

async function strikeFor(
  world: World,
  striker: Striker,
  swarm: Swarm,
  roll: ReturnType<typeof dice>,
  deaths: Deaths,
  work: { readonly commits: number },
): Promise<void> {
  const parts = everyPart(world);
  for (const part of parts) {
    part.calm(false);
  }
  for (const { child } of world.applications) {
    child?.tell('go');
  }
  const until = deaths.kills + KILLS_PER_EPISODE;
  const end = performance.now() + EPISODE_MAX_MS;
  const names = parts.map(({ kind, name }) => ({ kind, name }));
  while (deaths.kills < until && performance.now() < end) {
    const strike = drawStrike(roll, swarm, names, world.links.size);
    const wanted = work.commits + strike.afterCommits;
    await comes(RECOVERY_MAX_MS, () => work.commits >= wanted);
    await sleep(strike.gapMs);
    for (const blow of strike.blows) {
      striker.strike(blow);
    }
  }
}

/** Of a name, so that each part has dice of its own. */
function numberOf(name: string): number {
  return [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
}

function countAnswers(told: readonly Told[]): Readonly<Record<Told['answer'], number>> {
  const count = (answer: Told['answer']): number => told.filter((one) => one.answer === answer).length;
  return {
    committed: count('committed'),
    'rolled-back': count('rolled-back'),
    unknown: count('unknown'),
    heuristic: count('heuristic'),
  };
}
