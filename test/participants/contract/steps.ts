// Short steps that every part of the contract suite takes.
import { expect } from 'vitest';
import { systemRandom } from '../../../src/lib/random.ts';
import {
  type BranchOptions,
  type BranchSession,
  EngineError,
  type ResourceManager,
  type Statement,
} from '../../../src/participants/resource-manager.ts';
import { NO_EVIDENCE, newOpening } from '../../../src/xa/evidence.ts';
import type { Evidence, FinishResult, Vote } from '../../../src/xa/vocabulary.ts';
import { formatXid, type Xid } from '../../../src/xa/xid.ts';
import { type ContractHarness, freshKey, freshXid } from './harness.ts';

/** Another opening with each use. */
export const OPTIONS: BranchOptions = {
  get opening() {
    return newOpening(systemRandom);
  },
  isolation: 'default',
  readOnly: false,
  idleTimeoutMs: 60_000,
};

/** A statement without parameters. */
export const sql = (text: string): Statement => ({ sql: text, parameters: [] });

/** A new row, committed. */
export async function givenRow(harness: ContractHarness, manager: ResourceManager, value = 100n): Promise<string> {
  const key = freshKey();
  const branch = await manager.open(freshXid(), OPTIONS);
  await branch.execute(harness.sql.put(key, value));
  expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
  return key;
}

/** One phase as a coordinator wants it: asked for, and committed once the evidence is known. */
export async function endInOnePhase(branch: BranchSession): Promise<FinishResult> {
  const asked = await branch.askOnePhase();
  return asked.kind === 'has-written' ? await branch.commitOnePhase() : asked;
}

export interface Prepared {
  readonly xid: Xid;
  readonly evidence: Evidence;
  readonly key: string;
}

/** A branch that took 10 from a row of 100 and is prepared. */
export async function givenPrepared(
  harness: ContractHarness,
  manager: ResourceManager,
  xid = freshXid(),
): Promise<Prepared> {
  const key = await givenRow(harness, manager);
  const branch = await manager.open(xid, OPTIONS);
  await branch.execute(harness.sql.add(key, -10n));
  return { xid, key, evidence: expectPrepared(await branch.prepare()) };
}

export function expectPrepared(vote: Vote): Evidence {
  expect(vote.kind).toBe('prepared');
  return vote.kind === 'prepared' ? vote.evidence : NO_EVIDENCE;
}

export async function isListed(manager: ResourceManager, xid: Xid): Promise<boolean> {
  const listed = await manager.list();
  return listed.some((branch) => branch.xid !== undefined && formatXid(branch.xid) === formatXid(xid));
}

/** The EngineError that `work` rejects with; fails the test when it resolves or rejects with something else. */
export async function engineError(work: Promise<unknown>): Promise<EngineError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EngineError);
  if (!(error instanceof EngineError)) {
    throw new Error('unreachable: expect has thrown');
  }
  return error;
}

/** The row can be changed at once: nobody holds its lock. */
export async function expectUnlocked(harness: ContractHarness, manager: ResourceManager, key: string): Promise<void> {
  const branch: BranchSession = await manager.open(freshXid(), OPTIONS);
  await branch.execute(harness.sql.add(key, 0n));
  await branch.rollback();
}
