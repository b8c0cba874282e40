// Statements outside of any branch: phase two, its proofs and the adapter's own tables run in control sessions.
import { assert } from '../../../lib/assert.ts';
import { EngineError } from '../../resource-manager.ts';
import type { BatchOutcome, BatchRequest, BatchStep, StepResult } from '../protocol/batch.ts';
import { lostReason, statementReason } from '../protocol/errors.ts';

/** Runs a request in a control session: separate from those of branches, so that a full pool never delays phase two. */
export type RunInControl = (request: BatchRequest) => Promise<BatchOutcome>;

/** Runs steps in a control session, outside of any transaction block. @throws {EngineError} */
export async function query(control: RunInControl, steps: readonly BatchStep[]): Promise<readonly StepResult[]> {
  const outcome = await control({ kind: 'steps', steps });
  if (outcome.kind !== 'answered') {
    const error = outcome.kind === 'lost' ? outcome.error : outcome.message;
    throw new EngineError(lostReason(error), { sessionLost: true, cause: error });
  }
  if (outcome.error !== undefined) {
    throw new EngineError(statementReason(outcome.error), { sessionLost: false, cause: outcome.error });
  }
  assert(outcome.results.length === steps.length, 'a batch without an error answers every step');
  return outcome.results;
}
