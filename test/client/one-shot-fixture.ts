// What tests of one-shot transactions start from: a transfer, sidecars that have been heard, a commit that waits for the test.
import type { ConnectOptions } from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { deferred, type Fixture, startFixture } from './fixture.ts';
import type { Answer } from './scripted-coordinator.ts';
import type { Reply } from './scripted-resource.ts';

export const TRANSFER = [
  { resource: 'accounts', sql: 'debit $1', parameters: [7] },
  { resource: 'orders', sql: 'credit ?', parameters: [7] },
  { resource: 'accounts', sql: 'book' },
] as const;
export const COMMITTED: Answer = { commit: { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' } };
export const FAILED: Reply = {
  error: {
    reason: 'STATEMENT_FAILED',
    message: 'no such account',
    metadata: { sqlstate: '23503', retryable: 'false' },
  },
};

/** Both sidecars have answered on their streams, and nothing of that is left in the records. */
export async function startWarm(options: ConnectOptions = {}): Promise<Fixture> {
  const fixture = await startFixture(options);
  const { concordat, coordinator, accounts, orders } = fixture;
  await concordat.transaction((tx) =>
    Promise.all([tx.resource('accounts').query('warm'), tx.resource('orders').query('up')]),
  );
  await eventually('the votes were asked for', () => accounts.asked.length + orders.asked.length === 2);
  for (const list of [coordinator.received, coordinator.frames, accounts.executed, accounts.frameSizes]) {
    list.splice(0);
  }
  orders.executed.splice(0);
  return fixture;
}

/** The commit is answered when the test says so. */
export function holdCommit({ coordinator }: Fixture): {
  readonly asked: Promise<void>;
  readonly answer: (answer: Answer) => void;
} {
  const asked = deferred<void>();
  const answer = deferred<Answer>();
  coordinator.on('commit', () => {
    asked.resolve();
    return answer.promise;
  });
  return { asked: asked.promise, answer: answer.resolve };
}
