// The end of a run: everything stops in order, the log is read once more, and nothing of it is left on the machine.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { EXIT } from '../../src/xa/errors.ts';
import type { Progress } from '../disk/progress.ts';
import type { Violation } from './judge.ts';
import { concordatCommand } from './operator.ts';
import type { Part } from './part.ts';
import { comes } from './patience.ts';
import { MARK, type World } from './world.ts';

const STOP_WITHIN_MS = 30_000;
const GONE_WITHIN_MS = 5_000;

/** Never rejects for what the system under test does. */
export async function closeWorld(
  world: World,
  mark: string,
  directory: string,
  progress: Progress,
): Promise<readonly Violation[]> {
  const stops = (what: string): void => progress.say(() => `stopping ${what}`);
  for (const part of [world.coordinator, ...world.sidecars, ...world.applications, ...world.databases]) {
    part.calm(true);
  }
  stops('the applications');
  await Promise.all(world.applications.map((application) => application.stop('SIGKILL', STOP_WITHIN_MS)));
  stops('the sidecars');
  const stopped = await Promise.all(world.sidecars.map(stopInOrder));
  stops('the coordinator');
  stopped.push(await stopInOrder(world.coordinator));
  progress.say(() => 'verifying the log');
  const verified = await concordatCommand(['log', 'verify', '--data-dir', world.dataDirectory]);
  stops('the links');
  await Promise.all([...world.links.values()].map((link) => link[Symbol.asyncDispose]()));
  stops('the databases');
  await Promise.all(world.databases.map((database) => database.stop()));
  let left: readonly string[] = [];
  const isAlone = await comes(GONE_WITHIN_MS, () => {
    left = processesOf(mark, directory);
    return left.length === 0;
  });
  return [
    ...stopped.flat(),
    ...(verified.exit === 0
      ? []
      : [{ kind: 'log', why: `log verify ended with ${verified.exit}: ${verified.stderr}` } as const]),
    ...(isAlone ? [] : [{ kind: 'left', why: `processes are left: ${left.join(', ')}` } as const]),
  ];
}

async function stopInOrder(part: Part): Promise<readonly Violation[]> {
  const ended = await part.stop('SIGTERM', STOP_WITHIN_MS);
  return ended === undefined || ended.code === EXIT.ok
    ? []
    : [{ kind: 'process', why: `${part.name} ended with ${ended.signal ?? ended.code} after SIGTERM` }];
}

/** Processes of the run: programs carry its mark, and servers stand in its directory. */
function processesOf(mark: string, directory: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${MARK}=${mark}`) ||
          `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${directory}/`)
        );
      } catch {
        return false; // Gone, a zombie, or somebody else's.
      }
    });
}
