// The command `status`: its exit codes, and what it counts as in doubt.
import { describe, expect, it } from 'vitest';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { ask, DAMAGED, NEEDY } from './ask.ts';
import { startCli } from './run-cli.ts';
import {
  type Handler,
  healthyHandlers,
  ID,
  logStatus,
  openScriptedCoordinator,
  resource,
  transaction,
} from './scripted-coordinator.ts';

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

describe('an alarm of the coordinator', () => {
  it.each([
    ['EPOCH_STALE', 9, 'NOT_SERVING'],
    ['RESOURCE_KNOWS_OTHER_LOG', 4, 'SERVING'],
    ['OTHER_LOG_BRANCHES', 7, 'SERVING'],
    ['QUARANTINED', 7, 'SERVING'],
  ] as const)('%s ends with %d, and says what to do (field R5 P11)', async (code, exit, health) => {
    const alarms = [{ code, message: 'orders is not well', fix: 'do this' }];
    const GetLogStatus: Handler = () => ({ ...logStatus(), alarms });
    const answer = await ask(['status'], { GetLogStatus }, { health });
    expect(answer.exit).toBe(exit);
    expect(answer.stderr).toContain(`${code}: orders is not well. Next: do this`);
    const doctor = await ask(['doctor'], { GetLogStatus }, { health });
    expect(doctor.stdout).toContain('fix: do this');
    expect(doctor.exit).not.toBe(0);
  });

  it('a volume that cannot be asked is no nonsense (faults F43)', async () => {
    const GetLogStatus: Handler = () => ({ ...logStatus(), bytes: 0, freeBytes: Number.MAX_SAFE_INTEGER });
    const { stdout } = await ask(['status'], { GetLogStatus });
    expect(stdout).toContain('0 B, unknown room on its volume');
    expect(stdout).not.toContain('TiB');
  });
});

describe('a database that refuses its participant', () => {
  const trouble = {
    ...{ code: 'ENGINE_UNAVAILABLE', message: 'password authentication failed', sqlstate: '28P01' },
    ...{ errno: 0, retryable: true },
  };
  const participants = [
    {
      instance: 'p1',
      kind: 'PARTICIPANT_KIND_SIDECAR' as const,
      address: '127.0.0.1:9001',
      attachedMs: 1,
      trouble,
      troubleMs: 200_000,
    },
  ];
  const ListResources: Handler = () => ({ resources: [resource({ participants })] });
  const REASON = 'ENGINE_UNAVAILABLE: password authentication failed (SQLSTATE 28P01)';

  it('makes status end with 6, and is shown beside the participant (field P19)', async () => {
    const { exit, stdout, stderr } = await ask(['status'], { ListResources });
    expect(exit).toBe(6);
    expect(stdout).toContain('127.0.0.1:9001 REFUSED');
    expect(stdout).toContain('NO ANSWER for 3m 20s');
    expect(stderr).toContain(`The database of accounts refuses its participant 127.0.0.1:9001: ${REASON}; for 3m 20s`);
  });

  it('makes resource list and resource health end with 6, for how long and why in JSON', async () => {
    const list = await ask(['resource', 'list', '--output', 'json'], { ListResources });
    expect(list.exit).toBe(6);
    expect(JSON.parse(list.stdout).resources[0].database).toEqual({ answers: false, notForMs: 200_000, why: REASON });
    const health = await ask(['resource', 'health', 'accounts'], { ListResources });
    expect(health.exit).toBe(6);
    expect(health.stdout).toMatch(/^accounts +NO ANSWER for 3m 20s +ENGINE_UNAVAILABLE: password/m);
    const unknown = await ask(['resource', 'health', 'acounts'], { ListResources });
    expect(unknown).toMatchObject({ exit: 4, stderr: expect.stringContaining('known: accounts') });
  });

  it('beside a participant that it answers it is one that answers, and still an alarm', async () => {
    const [refused] = participants;
    const both = [{ ...refused, instance: 'p2', trouble: null, troubleMs: 0 }, refused];
    const two: Handler = () => ({ resources: [resource({ participants: both as never })] });
    const { exit, stdout } = await ask(['status'], { ListResources: two });
    expect(exit).toBe(6);
    expect(stdout).toContain('answers');
  });

  it('is shown by resource list, and by doctor with the fix (field P19)', async () => {
    const list = await ask(['resource', 'list'], { ListResources });
    expect(list.stdout).toContain('127.0.0.1:9001 REFUSED');
    expect(list.stderr).toContain(REASON);
    const json = await ask(['resource', 'list', '--output', 'json'], { ListResources });
    expect(JSON.parse(json.stdout).resources[0].participants[0].trouble).toMatchObject({ sqlstate: '28P01' });
    const doctor = await ask(['doctor'], { ListResources });
    expect(doctor.exit).toBe(6);
    expect(doctor.stdout).toContain(REASON);
    expect(doctor.stdout).toContain('concordat resource check accounts');
  });
});

it('a resource for which nobody speaks makes status end with 6, with how long and what to do', async () => {
  const gone: Handler = () => ({ resources: [resource({ participants: [], awayMs: 61_000 })] });
  const { exit, stdout, stderr } = await ask(['status'], { ListResources: gone });
  expect(exit).toBe(6);
  expect(stdout).toContain('NOT ASKED for 1m 1s');
  expect(stderr).toContain('concordat participant --resource accounts; if the name was a mistake, concordat resource');
});

describe('--watch', () => {
  it.each([[['status']], [['tx', 'list']], [['resource', 'list']]])('%j shows again, until Ctrl-C', async (args) => {
    let looks = 0;
    const often = Promise.withResolvers<void>();
    const counted: Handler = () => {
      looks += 1;
      if (looks === 4) {
        often.resolve();
      }
      return looks === 2
        ? Promise.reject(new CoordinatorError('LIMIT_FRAME', 'once'))
        : { transactions: [], resources: [] };
    };
    const handlers = healthyHandlers({ [args[0] === 'resource' ? 'ListResources' : 'ListTransactions']: counted });
    await using coordinator = await openScriptedCoordinator({ handlers });
    const watching = startCli([...args, '--watch', '200ms', '--coordinator', coordinator.address]);
    await often.promise;
    watching.kill('SIGINT');
    const { exit, stderr } = await watching.ended;
    expect(stderr).toContain('Error LIMIT_FRAME: once');
    expect(stderr).not.toContain('INTERRUPTED');
    expect(exit).toBe(0); // Of the look that was over last.
  });

  it('not more often than anybody can read', async () => {
    expect(await ask(['status', '--watch', '1ms'])).toMatchObject({ exit: 2 });
  });
});

it('quiet hides messages and keeps data and warnings', async () => {
  const { stdout, stderr } = await ask(['status', '--quiet'], {
    ...NEEDY,
    GetLogStatus: () => logStatus({ protocolVersion: 9 }),
  });
  expect(stdout).toContain(ID);
  expect(stderr).toMatch(/^Warning: The coordinator is .*\nWarning: Nobody speaks for orders .*\n$/);
});
