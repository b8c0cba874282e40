// The command `status`: its exit codes, and what it counts as in doubt.
import { describe, expect, it } from 'vitest';
import { ask, DAMAGED, NEEDY } from './ask.ts';
import { type Handler, ID, logStatus, transaction } from './scripted-coordinator.ts';

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

it('quiet hides messages and keeps data and warnings', async () => {
  const { stdout, stderr } = await ask(['status', '--quiet'], {
    ...NEEDY,
    GetLogStatus: () => logStatus({ protocolVersion: 9 }),
  });
  expect(stdout).toContain(ID);
  expect(stderr).toMatch(/^Warning: The coordinator is .*\n$/);
});
