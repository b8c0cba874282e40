// The commands that look: their JSON contract (golden files), their tables, their exit codes.
import { describe, expect, it } from 'vitest';
import { productVersion } from '../../src/wire/version.ts';
import { CoordinatorError, type ErrorCode } from '../../src/xa/errors.ts';
import { type CliOptions, type CliResult, runCli } from './run-cli.ts';
import {
  type Handler,
  healthyHandlers,
  ID,
  logStatus,
  openScriptedCoordinator,
  resource,
  type Script,
  transaction,
} from './scripted-coordinator.ts';

interface Ran extends CliResult {
  readonly calls: readonly { readonly method: string; readonly request: Record<string, unknown> }[];
}

/** Runs one command against a coordinator with these answers. */
async function ask(
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

const STUCK = transaction();
const DAMAGED = transaction({
  gtrid: 'jx3k5q2m7a.1.9',
  state: 'TRANSACTION_STATE_COMPLETED',
  outcome: 'OUTCOME_MIXED',
  ageMs: 90_000_000,
  operatorAction: true,
  branches: [{ bqual: 'orders', resource: 'orders', state: 'BRANCH_STATE_DAMAGED', evidence: 'marker', attempts: 3 }],
});
const NEEDY: Readonly<Record<string, Handler>> = {
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

describe('JSON is a contract (version 1)', () => {
  it.each<[string, readonly string[], number]>([
    ['status', ['status'], 8],
    ['tx-list', ['tx', 'list'], 0],
    ['tx-show', ['tx', 'show', ID], 0],
    ['tx-explain', ['tx', 'explain', ID], 0],
    ['tx-retry', ['tx', 'retry', ID], 0],
    ['resource-list', ['resource', 'list'], 0],
    ['resource-check', ['resource', 'check', 'accounts'], 4],
    ['resource-scan', ['resource', 'scan', 'accounts'], 0],
    ['log-status', ['log', 'status'], 0],
    ['log-backup', ['log', 'backup', '/backup/a.db'], 0],
    ['doctor', ['doctor'], 6],
  ])('%s keeps its document', async (name, args, exit) => {
    const result = await ask([...args, '--output', 'json'], NEEDY);
    expect(result.stderr).toBe('');
    expect(result.exit).toBe(exit);
    expect(JSON.parse(result.stdout)).toMatchObject({ version: 1, kind: expect.any(String) });
    const text = result.stdout.replace(`"finding": "${process.versions.node}"`, '"finding": "<node>"');
    await expect(text).toMatchFileSnapshot(`golden/${name}.json.golden`);
  });

  it.each<[string, readonly string[]]>([
    ['status', ['status']],
    ['tx-list', ['tx', 'list']],
    ['tx-explain', ['tx', 'explain', ID]],
    ['resource-scan', ['resource', 'scan', 'accounts']],
    ['doctor', ['doctor']],
  ])('%s keeps its screen', async (name, args) => {
    const result = await ask(args, NEEDY);
    const text = result.stdout.replace(`node: ${process.versions.node}`, 'node: <node>');
    await expect(text).toMatchFileSnapshot(`golden/${name}.txt.golden`);
  });
});

describe('status', () => {
  it('ends with 0 while all is well', async () => {
    expect(await ask(['status'])).toMatchObject({ exit: 0, stderr: '' });
  });

  it('ends with 6 while the coordinator recovers or drains', async () => {
    const { exit, stdout } = await ask(['status'], {}, { health: 'NOT_SERVING' });
    expect(exit).toBe(6);
    expect(stdout).toContain('NOT serving');
  });

  it.each([
    [60_000, 0],
    [60_001, 7],
  ])('with a transaction in doubt for %d ms ends with %d (faults F79, conformance N8)', async (ageMs, exit) => {
    const ListTransactions: Handler = () => ({ transactions: [transaction({ ageMs })], nextPageToken: '' });
    expect((await ask(['status'], { ListTransactions })).exit).toBe(exit);
  });

  it('a long transaction that is still at work is not in doubt', async () => {
    const busy = transaction({ state: 'TRANSACTION_STATE_ACTIVE', outcome: 'OUTCOME_UNSPECIFIED', ageMs: 500_000 });
    const ListTransactions: Handler = () => ({ transactions: [busy], nextPageToken: '' });
    const { exit, stdout } = await ask(['status'], { ListTransactions });
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^Open {9}1 transactions$/m);
  });

  it('looks at every page', async () => {
    const pages: Readonly<Record<string, object>> = {
      '': { transactions: [transaction({ ageMs: 1 })], nextPageToken: 'two' },
      two: { transactions: [DAMAGED], nextPageToken: '' },
    };
    const { exit } = await ask(['status'], { ListTransactions: ({ pageToken }) => pages[String(pageToken)] ?? {} });
    expect(exit).toBe(8);
  });
});

describe('versions (faults B70)', () => {
  it.each([
    [
      'newer',
      { version: '3.0.0', protocolVersion: 9 },
      /coordinator is 3\.0\.0 and speaks protocol 9.*upgrade this command/,
    ],
    [
      'older',
      { version: '', protocolVersion: 0 },
      /unknown version and speaks protocol 0.*upgrade it, or use its own command/,
    ],
  ])('a %s coordinator is named, and looking still works (faults B70)', async (_, version, message) => {
    const { exit, stdout, stderr } = await ask(['status'], { GetLogStatus: () => logStatus(version) });
    expect(stderr).toMatch(message);
    expect(stdout).toContain('serving');
    expect(exit).toBe(0);
  });

  it('a state of the future is shown as unknown with its number (faults B70)', async () => {
    const ListTransactions: Handler = () => ({
      transactions: [transaction({ state: 99 as never })],
      nextPageToken: '',
    });
    const { exit, stdout } = await ask(['tx', 'list'], { ListTransactions });
    expect(stdout).toContain('unknown-99');
    expect(exit).toBe(0);
  });

  it('a call that the coordinator does not know is named as such (faults B70)', async () => {
    const { exit, stderr } = await ask(['log', 'backup', '/tmp/x']);
    expect(stderr).toMatch(/^Error PROTOCOL: The server at <address> does not know this call/);
    expect(exit).toBe(4);
  });

  it('a coordinator without a health service still gives a status (faults B70)', async () => {
    const { exit, stdout } = await ask(['status'], {}, { health: 'none' });
    expect(stdout).toContain('health unknown');
    expect(exit).toBe(0);
  });
});

describe('tx list', () => {
  it('sends its filters in the terms of the wire', async () => {
    const { calls } = await ask([
      'tx',
      'list',
      '--state',
      'in-doubt,active',
      '--resource',
      'orders',
      '--older-than',
      '1h30m',
      '--page-token',
      'abc',
      '--limit',
      '5',
    ]);
    expect(calls).toEqual([
      {
        method: 'ListTransactions',
        request: {
          pageSize: 5,
          pageToken: 'abc',
          states: [
            'TRANSACTION_STATE_PREPARING',
            'TRANSACTION_STATE_DECIDING',
            'TRANSACTION_STATE_COMMITTING',
            'TRANSACTION_STATE_ROLLING_BACK',
            'TRANSACTION_STATE_ACTIVE',
          ],
          resource: 'orders',
          minAgeMs: '5400000',
        },
      },
    ]);
  });

  it('stops at the limit and says how to go on; --all goes on by itself', async () => {
    const ListTransactions: Handler = ({ pageToken }) => ({
      transactions: [STUCK],
      nextPageToken: pageToken === 'third' ? '' : pageToken === 'second' ? 'third' : 'second',
    });
    const some = await ask(['tx', 'list', '--limit', '2'], { ListTransactions });
    expect(some.calls.map(({ request }) => request['pageSize'])).toEqual([2, 1]);
    expect(some.stderr).toContain('add --all, or --page-token third');
    const all = await ask(['tx', 'list', '--all', '--limit', '2'], { ListTransactions });
    expect(all.calls.map(({ request }) => request['pageToken'])).toEqual(['', 'second', 'third']);
    expect(all.stderr).toBe('');
  });

  it('a page token that leads to itself does not make an endless list (faults B73)', async () => {
    const { calls } = await ask(['tx', 'list', '--all'], {
      ListTransactions: () => ({ transactions: [STUCK], nextPageToken: 'again' }),
    });
    expect(calls).toHaveLength(2);
  });

  it('finds the heuristic ones', async () => {
    const { stdout } = await ask(['tx', 'list', '--state', 'heuristic'], NEEDY);
    expect(stdout).toContain('jx3k5q2m7a.1.9');
    expect(stdout).not.toContain(ID);
  });

  it('shows ids, reasons and engine texts escaped (faults B04)', async () => {
    const evil = transaction({
      gtrid: '\u001b]0;owned\u0007\u202e',
      reason: { code: 'X', message: 'line\n\u009b31m', retryable: false },
    });
    for (const output of ['table', 'json']) {
      const { stdout, stderr } = await ask(['tx', 'show', ID, '--output', output], {
        GetTransaction: () => ({ transaction: evil }),
      });
      expect(`${stdout}${stderr}`.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(stdout).toContain('owned');
    }
  });

  it('is sane at any width (faults B69)', async () => {
    for (const columns of ['0', '20', '500']) {
      const env = { COLUMNS: columns, TERM: 'dumb', NO_COLOR: '' };
      const { exit, stdout } = await ask(['tx', 'list'], NEEDY, { env });
      expect(exit).toBe(0);
      for (const text of [ID, 'committing', 'mixed', 'accounts orders']) {
        expect(stdout, `at ${columns}`).toContain(text);
      }
      expect(Math.max(...stdout.split('\n').map((line) => line.length)) <= 33, `at ${columns}`).toBe(columns === '20');
    }
  });
});

describe('errors of the coordinator', () => {
  it.each<[ErrorCode, number]>([
    ['TXN_NOT_FOUND', 3],
    ['OUTCOME_EXPIRED', 3],
    ['TXN_STATE', 4],
    ['RESOURCE_IDENTITY', 5],
    ['RECOVERING', 6],
    ['OUTCOME_UNKNOWN', 7],
    ['HEURISTIC_OUTCOME', 8],
    ['LOG_DAMAGED', 9],
    ['FIELD_INVALID', 2],
    ['INTERNAL', 1],
  ])('%s ends with %d, its reason and its advice', async (code, exit) => {
    const result = await ask(['tx', 'show', ID], {
      GetTransaction: () => {
        throw new CoordinatorError(code, 'because \u001b of this');
      },
    });
    expect(result.stderr).toMatch(new RegExp(`^Error ${code}: because \\\\x1b of this\nNext: .{10,}\n$`));
    expect(result).toMatchObject({ exit, stdout: '' });
  });

  it('an unknown outcome is shown, and ends with 7', async () => {
    const unknown = transaction({ state: 'TRANSACTION_STATE_COMPLETED', outcome: 'OUTCOME_UNKNOWN', branches: [] });
    for (const verb of ['show', 'explain']) {
      const { exit, stdout } = await ask(['tx', verb, ID], { GetTransaction: () => ({ transaction: unknown }) });
      expect(exit).toBe(7);
      expect(stdout).toContain('unknown');
    }
  });

  it('an answer that does not come in time ends with 6', async () => {
    const never = new Promise<object>(() => undefined);
    const { exit, stderr, elapsedMs } = await ask(['log', 'status', '--timeout', '300'], { GetLogStatus: () => never });
    expect(stderr).toMatch(/^Error DEADLINE: No answer from <address> within 300 ms/);
    expect(exit).toBe(6);
    expect(elapsedMs).toBeLessThan(10_000);
  });
});

describe('doctor', () => {
  it('ends with 0 and a mark for each check while all is well', async () => {
    const { exit, stdout } = await ask(['doctor']);
    expect(exit).toBe(0);
    expect(stdout.match(/^✓/gm)).toHaveLength(10);
    expect(stdout).not.toMatch(/[✗!]/);
  });

  it('warns of two names for one database (faults B60)', async () => {
    const { exit, stdout } = await ask(['doctor'], {
      ListResources: () => ({ resources: [resource(), resource({ name: 'ledger' })] }),
    });
    expect(stdout).toMatch(/^! resources: accounts and ledger are the same database\n {4}mend: /m);
    expect(exit).toBe(0);
  });

  it('a branch of a newer epoch means an old copy of the log: 9', async () => {
    const { exit, stdout } = await ask(['doctor'], {
      ListResources: () => ({ resources: [resource({ quarantinedBranches: 2 })] }),
    });
    expect(stdout).toMatch(/2 branches are of a newer epoch/);
    expect(exit).toBe(9);
  });

  it('a database that does not answer fails its own check, not the others', async () => {
    const { exit, stdout } = await ask(['doctor'], {
      ListResources: () => ({ resources: [resource(), resource({ name: 'orders', engineIdentity: 'mariadb:1' })] }),
      ScanResource: ({ resource: name }) => {
        if (name === 'accounts') {
          throw new CoordinatorError('RESOURCE_UNAVAILABLE', 'the sidecar of accounts does not answer');
        }
        return { branches: [], findings: [] };
      },
    });
    expect(stdout).toMatch(/✗ resource accounts, database: the sidecar of accounts does not answer/);
    expect(stdout).toMatch(/✓ resource orders, database: nothing to mend/);
    expect(exit).toBe(6);
  });

  it.each([
    ['little room', { freeBytes: 1_000_000 }, /✗ log room: 976\.6 KiB free/, 4],
    ['a slow disk', { flushMicros: 80_000 }, /! log flush: 80\.0 ms median/, 0],
  ])('%s is found', async (_, fields, message, expected) => {
    const { exit, stdout } = await ask(['doctor'], { GetLogStatus: () => logStatus(fields) });
    expect(stdout).toMatch(message);
    expect(exit).toBe(expected);
  });
});

it('a relative path for a backup is taken on this machine and refused for another', async () => {
  const BackupLog: Handler = ({ path }) => ({ path, bytes: 1, lastSequence: 1 });
  const here = await ask(['log', 'backup', 'a.db'], { BackupLog }, { cwd: '/tmp' });
  expect(here.calls.at(-1)?.request).toEqual({ path: '/tmp/a.db' });
  const there = await runCli(['log', 'backup', 'a.db', '--coordinator', 'db.example.org:7420']);
  expect(there.exit).toBe(2);
  expect(there.stderr).toContain('Give an absolute path');
});

it('quiet hides messages and keeps data and warnings', async () => {
  const { stdout, stderr } = await ask(['status', '--quiet'], {
    ...NEEDY,
    GetLogStatus: () => logStatus({ protocolVersion: 9 }),
  });
  expect(stdout).toContain(ID);
  expect(stderr).toMatch(/^Warning: The coordinator is .*\n$/);
});
