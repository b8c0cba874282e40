// What the engine shows of one opening of a branch, or of all of one name, at one moment: its owner's session, the list, and the evidence row.

import { assert } from '../../../lib/assert.ts';
import type { Clock } from '../../../lib/clock.ts';
import { pause } from '../../../lib/wait.ts';
import { type EvidenceRow, formatRow } from '../../../xa/evidence.ts';
import { KILLED_WAIT_MS } from '../../../xa/times.ts';
import { formatXid } from '../../../xa/xid.ts';
import { EngineError } from '../../resource-manager.ts';
import type { Engine } from '../protocol/engine.ts';
import { ERRNO, refusedError } from '../protocol/errors.ts';
import { cellsOf } from '../protocol/exchange.ts';
import { markerProbeText, ownerText, recoverText, type Target } from '../sql/texts.ts';
import type { ControlSessions } from './control.ts';
import { readOpened } from './listing.ts';

const POLL_MS = 5;

export interface Look {
  /** The session that opened the branch and lives: it may hold it, prepare it, or have left it behind. */
  readonly owner: number | undefined;
  /** Prepared, by the engine's list. */
  readonly listed: readonly EvidenceRow[];
  /** `present`: committed. `absent`: no transaction committed it or holds it. `locked`: one holds it now. */
  readonly marker: 'present' | 'absent' | 'locked';
}

/** Looks in the order owner, list, evidence: one round trip. @throws {EngineError} */
export async function lookFor(control: ControlSessions, engine: Engine, target: Target): Promise<Look> {
  const answer = await control.run(
    `${ownerText(target)};${recoverText(engine.kind)};${markerProbeText(engine.database, target)}`,
  );
  const [owner, list, marker] = answer;
  for (const result of [owner, list]) {
    if (result?.kind === 'error') {
      throw refusedError(result.error, 'ENGINE_UNAVAILABLE');
    }
  }
  assert(owner !== undefined && list !== undefined && marker !== undefined, 'three statements have three answers');
  const openings = cellsOf(list).flatMap((cells) => {
    const row = readOpened(engine.kind, cells);
    return row !== undefined && formatXid(row) === formatXid(target) ? [row] : [];
  });
  return {
    owner: ownerOf(cellsOf(owner)),
    listed: openings.filter((row) => isOf(row, target)),
    marker: markerOf(marker, target, openings),
  };
}

/** For messages, and as a key. */
export function nameOf(target: Target): string {
  return 'opening' in target ? formatRow(target) : formatXid(target);
}

export function isOf(row: EvidenceRow, target: Target): boolean {
  return `${formatRow(row)}:`.startsWith(`${nameOf(target)}:`);
}

/** @param openings those of the name that are listed. */
function markerOf(
  result: Parameters<typeof cellsOf>[0],
  target: Target,
  openings: readonly EvidenceRow[],
): Look['marker'] {
  if (result.kind === 'error') {
    if (result.error.errno === ERRNO.lockWaitTimeout || result.error.errno === ERRNO.noWait) {
      // One row of a name: another opening that is prepared has it.
      return openings.some((row) => !isOf(row, target)) ? 'absent' : 'locked';
    }
    throw refusedError(result.error, 'ENGINE_UNAVAILABLE');
  }
  const left = cellsOf(result)[0]?.[0]?.toString('latin1');
  const isPresent = left !== undefined && (!('opening' in target) || left === target.opening);
  return isPresent ? 'present' : 'absent';
}

function ownerOf(rows: ReturnType<typeof cellsOf>): number | undefined {
  const cell = rows[0]?.[0];
  return cell === null || cell === undefined ? undefined : Number(cell.toString('latin1'));
}

/** The live session that opened a branch. @throws {EngineError} */
export async function findOwner(control: ControlSessions, target: Target): Promise<number | undefined> {
  const [rows] = await control.rows(ownerText(target));
  return ownerOf(rows ?? []);
}

/**
 * Ends the session `owner` and waits until the engine has let go of everything it held: what it had not prepared by then is
 * rolled back, and what it had is anyone's to finish.
 * @throws {EngineError} it may not be killed, or is not gone within five seconds.
 */
export async function endOwner(
  tools: { readonly control: ControlSessions; readonly clock: Clock },
  target: Target,
  owner: number,
): Promise<void> {
  const { control, clock } = tools;
  await control.kill(owner).catch((error: unknown) => {
    throw error instanceof EngineError && isKillDenied(error) ? notAllowed(error, nameOf(target), owner) : error;
  });
  const deadline = clock.now() + KILLED_WAIT_MS;
  while ((await findOwner(control, target)) === owner) {
    if (clock.now() > deadline) {
      const message = `session ${owner} of ${nameOf(target)} was killed and is not gone`;
      throw new EngineError({ code: 'ENGINE_UNAVAILABLE', message, retryable: true }, { sessionLost: false });
    }
    await pause(clock, POLL_MS);
  }
}

/** Whether the engine refused to end a session because it belongs to another account: nothing has changed. */
export function isKillDenied(error: EngineError): boolean {
  return error.reason.errno === ERRNO.killDenied;
}

function notAllowed(error: EngineError, name: string, owner: number): EngineError {
  const message =
    `session ${owner} of another account holds ${name}, and this participant's account may not end it (${error.reason.message}). ` +
    'Next: GRANT CONNECTION ADMIN ON *.* TO the account of the participant (at MySQL CONNECTION_ADMIN), ' +
    'or let application and participant log in as one account; until then the branch ends when that session does';
  return new EngineError({ ...error.reason, message, retryable: true }, { sessionLost: false, cause: error });
}
