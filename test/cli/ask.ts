// Runs one command that looks, against a coordinator with scripted answers: a healthy one, or one that needs an operator.
import { productVersion } from '../../src/wire/version.ts';
import { type CliOptions, type CliResult, runCli } from './run-cli.ts';
import {
  type Handler,
  healthyHandlers,
  ID,
  openScriptedCoordinator,
  resource,
  type Script,
  transaction,
} from './scripted-coordinator.ts';

interface Ran extends CliResult {
  readonly calls: readonly { readonly method: string; readonly request: Record<string, unknown> }[];
}

/** Runs one command against a coordinator with these answers. */
export async function ask(
  args: readonly string[],
  overrides: Readonly<Record<string, Handler>> = {},
  options: CliOptions & Pick<Script, 'health'> = {},
): Promise<Ran> {
  const { health = 'SERVING', ...rest } = options;
  await using coordinator = await openScriptedCoordinator({ health, handlers: healthyHandlers(overrides) });
  const result = await runCli([...args, '--coordinator', coordinator.address], rest);
  const hide = (text: string): string =>
    text
      .replaceAll(coordinator.address, '<address>')
      .replace(`"commandVersion": "${productVersion()}"`, '"commandVersion": "<version>"')
      .replace(`this command ${productVersion()}`, 'this command <version>');
  return { ...result, stdout: hide(result.stdout), stderr: hide(result.stderr), calls: coordinator.calls };
}

/** Decided, and one of its databases does not answer. */
export const STUCK = transaction();
/** Over, with a heuristic outcome that waits for an operator. */
export const DAMAGED = transaction({
  gtrid: 'jx3k5q2m7a.1.9',
  state: 'TRANSACTION_STATE_COMPLETED',
  outcome: 'OUTCOME_MIXED',
  ageMs: 90_000_000,
  operatorAction: true,
  branches: [
    {
      bqual: 'orders',
      resource: 'orders',
      state: 'BRANCH_STATE_DAMAGED',
      evidence: { row: 'u3c6vm5xdfpa' },
      attempts: 3,
    },
  ],
});
/** The answers of a coordinator that has both, and of databases that have something to fix. */
export const NEEDY: Readonly<Record<string, Handler>> = {
  ListTransactions: () => ({ transactions: [STUCK, DAMAGED], nextPageToken: '' }),
  ListResources: () => ({
    resources: [
      resource(),
      resource({
        name: 'orders',
        engine: 'mariadb',
        engineVersion: '11.8.2',
        engineIdentity: 'mariadb:1',
        participants: [],
        awayMs: 300_000,
        pendingBranches: 1,
        oldestPendingAgeMs: 200_000,
      }),
    ],
  }),
  GetTransaction: ({ probe }) => ({
    transaction: STUCK,
    observations:
      probe === true
        ? [
            { bqual: 'accounts', proof: 'BRANCH_PROOF_COMMITTED', blockedSessions: 0 },
            {
              bqual: 'orders',
              proof: 'BRANCH_PROOF_UNSPECIFIED',
              error: { code: 'RESOURCE_UNAVAILABLE', message: 'no participant is attached', retryable: true },
            },
          ]
        : [],
    explanation: probe === true ? ['The decision to commit is durable.', 'orders: called again in 12.4 s.'] : [],
  }),
  ScanResource: () => ({
    branches: [
      { gtrid: ID, bqual: 'accounts', raw: `concordat:${ID}:accounts`, ours: true, ageMs: 200_000, blockedSessions: 2 },
      { gtrid: '', bqual: '', raw: 'else\u001b]0;x', ours: false, ageMs: 0, blockedSessions: 0 },
    ],
    findings: [
      {
        fatal: true,
        check: 'max_prepared_transactions',
        message: 'is 0',
        fix: 'ALTER SYSTEM SET max_prepared_transactions = 64',
      },
      { fatal: false, check: 'idle_in_transaction_session_timeout', message: 'is 1 s', fix: '' },
    ],
  }),
  BackupLog: ({ path }) => ({ path, bytes: 4_096, lastSequence: 17 }),
  RetryTransaction: () => ({ transaction: STUCK, branches: 1 }),
};
