// The command `tx list`: its filters and pages, and that what it shows is harmless and readable on any terminal.
import { describe, expect, it } from 'vitest';
import { ask, NEEDY, STUCK } from './ask.ts';
import { type Handler, ID, transaction } from './scripted-coordinator.ts';

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
          finished: false,
          sinceMs: '0',
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

  it('says no outcome before it is one: what is decided is shown as the decision', async () => {
    const committing = await ask(['tx', 'list', '--output', 'json'], NEEDY);
    expect(JSON.parse(committing.stdout).transactions).toMatchObject([
      { id: ID, state: 'committing', decision: 'commit', outcome: null },
      { state: 'completed', decision: null, outcome: 'mixed' },
    ]);
    expect((await ask(['tx', 'list'], NEEDY)).stdout).toMatch(new RegExp(`${ID} +committing +- `));
    const done = transaction({ state: 'TRANSACTION_STATE_COMPLETED' });
    const shown = await ask(['tx', 'show', ID], { GetTransaction: () => ({ transaction: done }) });
    expect(shown.stdout).toMatch(/^Outcome +committed$/m);
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
