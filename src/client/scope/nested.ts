// A scope nested in a transaction: savepoints at its branches when it begins, and back to them when it fails. Its failure costs only itself.
import { ConcordatError, StatementError, TransactionRolledBackError } from '../public/errors.ts';
import type { Ambient, ScopedTransaction } from './ambient.ts';
import type { Level } from './level.ts';
import { ended } from './propagation.ts';
import { isKept, type RollbackOn } from './rollback-on.ts';

/** A branch of the transaction as its nested scopes see it. Without these methods nothing is ever nested in it. */
export interface ScopedBranch {
  /** A scope begins: for branches whose statements do not pass here, which have their savepoint set now. Rejects with why there is none. */
  openScope?(level: Level): Promise<void> | undefined;
  /** Why nothing of it can be kept, though nobody has told the scope: statements passed by. */
  problemIn?(level: Level): unknown;
  /** Forgets the savepoint, or goes back to it. Undefined: nothing of the scope is there. Rejects with why it was not done. */
  closeScope?(level: Level, how: 'keep' | 'undo'): Promise<void> | undefined;
}

interface NestedParts {
  readonly ambient: Ambient;
  readonly tx: ScopedTransaction;
  readonly work: {
    /** Of the whole transaction. */
    readonly failure: { readonly error: unknown } | undefined;
    readonly branches: readonly ScopedBranch[];
    fail(error: unknown): void;
  };
  /** A number for the savepoint. */
  readonly number: number;
}

/** As `TransactionWork.nested` says. `rollbackOn` as for a transaction: what is not rolled back is kept, and thrown. */
export async function runNested<T>(
  { ambient, tx, work, number }: NestedParts,
  run: () => Promise<T> | T,
  rollbackOn?: RollbackOn,
): Promise<T> {
  const parent = ambient.levelIn(tx);
  refuseOver(tx, parent, work);
  parent.enter();
  try {
    for (let turn = parent.turn(); turn !== undefined; turn = parent.turn()) {
      await turn;
    }
    refuseOver(tx, parent, work);
    const { level, close } = parent.open(`concordat_scope_${number}`);
    try {
      await each(work.branches, (branch) => branch.openScope?.(level), work);
      return await runLevel({ ambient, tx, work, level }, run, rollbackOn);
    } finally {
      level.end();
      close();
    }
  } finally {
    parent.leave();
  }
}

async function runLevel<T>(
  { ambient, tx, work, level }: Omit<NestedParts, 'number'> & { readonly level: Level },
  run: () => Promise<T> | T,
  rollbackOn: RollbackOn | undefined,
): Promise<T> {
  let value: T;
  try {
    value = await ambient.inside({ tx, level }, async () => await run());
    refuseUnfinished(level, work.branches);
  } catch (error) {
    const { isKept: keeps, error: thrown } = judge(error, rollbackOn, level);
    level.end();
    if (keeps) {
      await closeAll(work, level, 'keep');
    } else {
      await undo(tx, work, level, thrown);
    }
    throw thrown;
  }
  level.end();
  await closeAll(work, level, 'keep');
  return value;
}

function judge(error: unknown, rollbackOn: RollbackOn | undefined, level: Level): { isKept: boolean; error: unknown } {
  try {
    return { isKept: level.failure === undefined && isKept(error, rollbackOn), error };
  } catch (own) {
    return { isKept: false, error: own };
  }
}

/** Back to where the scope began, at every branch; where one cannot go back, nothing of the transaction can be committed. */
async function undo(tx: ScopedTransaction, work: NestedParts['work'], level: Level, cause: unknown): Promise<void> {
  await closeAll(work, level, 'undo');
  if (level.wasPassedOn && work.failure === undefined) {
    const message =
      'A nested scope failed that had passed the transaction’s context on: what the other service did in it has no savepoint, so that the whole is rolled back.';
    work.fail(
      new TransactionRolledBackError(message, { code: 'ROLLBACK_ONLY', retryable: false, gtrid: tx.gtrid, cause }),
    );
  }
}

function closeAll(work: NestedParts['work'], level: Level, how: 'keep' | 'undo'): Promise<void> {
  return each(work.branches, (branch) => branch.closeScope?.(level, how), work);
}

/** @throws the first failure, which has become the transaction's; the scope is not half closed at some branches then. */
async function each(
  branches: readonly ScopedBranch[],
  act: (branch: ScopedBranch) => Promise<void> | undefined,
  work: NestedParts['work'],
): Promise<void> {
  if (work.failure !== undefined) {
    return; // Everything is rolled back, and no branch takes a statement.
  }
  const ends = await Promise.allSettled(branches.map(act));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) {
    work.fail(failed.reason);
    throw failed.reason;
  }
}

/** @throws what the scope would be refused with: it would work in what has ended, or can only be undone. */
export function refuseOver(
  tx: { readonly gtrid: string },
  level: Level,
  work: Pick<NestedParts['work'], 'failure'>,
): void {
  const failure = work.failure ?? level.failure;
  if (failure !== undefined) {
    throw failure.error;
  }
  if (level.hasEnded) {
    throw ended(tx, level);
  }
}

/** @throws {ConcordatError} BRANCH_BUSY: what goes on would be half in the scope. Or what the scope failed of, though that was caught. */
function refuseUnfinished(level: Level, branches: readonly ScopedBranch[]): void {
  if (level.failure !== undefined) {
    throw level.failure.error;
  }
  const problem = branches.map((branch) => branch.problemIn?.(level)).find((one) => one !== undefined);
  if (problem !== undefined) {
    throw problem;
  }
  if (level.unanswered + level.scopes > 0) {
    const message = `A nested scope returned while ${level.unanswered} statement(s) and ${level.scopes} scope(s) in it were at work, and is undone. Await all of them.`;
    throw new ConcordatError(message, { code: 'BRANCH_BUSY', retryable: false });
  }
}

/** What a statement's failure dooms within a scope: only the scope, if its branch can go back. The participant knows whether it can. */
export function doomsOnlyScope(error: unknown): boolean {
  return error instanceof StatementError && SCOPED.has(error.code);
}

/** The branch is still there. */
const SCOPED: ReadonlySet<string> = new Set(['STATEMENT_FAILED', 'FIELD_INVALID']);
