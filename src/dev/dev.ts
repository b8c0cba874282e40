// `concordat dev`, which `npm start` runs: a whole Concordat on this machine from nothing, a story that proves it works, and
// then a playground that stays up.
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect } from '../client/index.ts';
import { systemClock } from '../lib/system-clock.ts';
import { productVersion } from '../wire/version.ts';
import { EXIT } from '../xa/errors.ts';
import type { Cluster } from './cluster.ts';
import { guardFolder } from './engines/guard.ts';
import { showPlayground } from './playground.ts';
import { asPlaygroundProblem, checkFree, platformNote } from './problem.ts';
import { openScene, type Scene } from './scene.ts';
import { sidecarsAttached, tellStory } from './story.ts';
import { Timeline } from './timeline.ts';

interface DevOptions {
  /** Tell the story and stop. */
  readonly once: boolean;
  /** Where databases and log live; a temporary folder when absent, removed at the end. */
  readonly directory?: string;
  /** `host:port` of the coordinator. */
  readonly listen: string;
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  readonly write: (text: string) => void;
  /** Ends it early, in order: Ctrl-C. While databases are still being fetched or started, the process has to end after it. */
  readonly signal: AbortSignal;
}

/**
 * @returns the exit code: 0 only if every check of the story held.
 * @throws {PlaygroundError} this machine lacks or refuses something.
 */
export async function runDev(options: DevOptions): Promise<number> {
  try {
    return await run(options);
  } catch (error) {
    throw asPlaygroundProblem(error);
  }
}

async function run(options: DevOptions): Promise<number> {
  const { write, colour, width } = options;
  const timeline = new Timeline({ write, colour, width, now: () => systemClock.now() });
  const note = platformNote(process.platform);
  if (note !== undefined) {
    timeline.text(note);
  }
  await checkFree(options.listen);
  const directory = await workDirectory(options.directory);
  const aborted = new Promise<'aborted'>((done) => {
    options.signal.addEventListener('abort', () => done('aborted'), { once: true });
  });
  timeline.line(`Concordat ${productVersion()}`);
  timeline.text('A transaction over two databases: all of it, or none of it.');
  timeline.chapter('Setting the scene');
  const opening = openScene({ directory: directory.path, listen: options.listen, timeline });
  const scene = await Promise.race([aborted, opening]).catch(async (error: unknown) => {
    await directory.remove();
    throw error;
  });
  if (scene === 'aborted') {
    // What is half started ends with the process, and so does the folder: their guards see to it.
    opening.catch(() => undefined);
    return EXIT.unexpected;
  }
  try {
    return await play(scene, timeline, aborted, options.once);
  } finally {
    if (!options.once) {
      timeline.line('Stopping.');
    }
    await scene[Symbol.asyncDispose]();
    await directory.remove();
  }
}

async function play(scene: Scene, timeline: Timeline, aborted: Promise<'aborted'>, once: boolean): Promise<number> {
  if ((await Promise.race([aborted, story(scene, timeline)])) === 'aborted') {
    return EXIT.unexpected;
  }
  timeline.line();
  timeline.line(
    timeline.failures === 0
      ? `All ${timeline.checks} checks held.`
      : `${timeline.failures} of ${timeline.checks} checks did not hold.`,
  );
  if (!once && timeline.failures === 0) {
    showPlayground(timeline, scene.cluster, scene.databases);
    await keepUp(timeline, scene.cluster, aborted);
  }
  return timeline.failures === 0 ? EXIT.ok : EXIT.unexpected;
}

async function story({ cluster, shop, databases }: Scene, timeline: Timeline): Promise<'told'> {
  await using concordat = await connect(cluster.address, { application: 'concordat dev' });
  await sidecarsAttached(concordat);
  await tellStory({
    cluster,
    concordat,
    shop,
    timeline,
    ordersPlaceholders: databases.orders.engine === 'postgresql' ? ['$1', '$2', '$3'] : ['?', '?', '?'],
  });
  return 'told';
}

/** What is killed is started again, until Ctrl-C. */
async function keepUp(timeline: Timeline, cluster: Cluster, aborted: Promise<'aborted'>): Promise<void> {
  for (;;) {
    const fallen = await Promise.race([aborted, cluster.fallen()]);
    if (fallen === 'aborted') {
      return;
    }
    if (fallen === 'coordinator') {
      timeline.line('The coordinator has ended and is started again.');
      await cluster.startCoordinator();
    } else {
      timeline.line(`The sidecar of ${fallen} has ended and is started again.`);
      await cluster.startSidecar(fallen, { wait: false });
    }
  }
}

interface WorkDirectory {
  readonly path: string;
  remove(): Promise<void>;
}

async function workDirectory(chosen: string | undefined): Promise<WorkDirectory> {
  if (chosen !== undefined) {
    const path = resolve(chosen);
    await mkdir(path, { recursive: true });
    return { path, remove: async () => undefined };
  }
  const path = await mkdtemp(join(tmpdir(), 'concordat-'));
  const release = guardFolder(path);
  // Where root starts the databases they run as another user, who has to get to their folders in it. Those are their own.
  await chmod(path, 0o711);
  return {
    path,
    remove: async () => {
      await rm(path, { recursive: true, force: true });
      release();
    },
  };
}
