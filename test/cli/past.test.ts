// `concordat audit`, `tx list --finished`, and whose a transaction is: kept whole in golden files.
import { expect, it } from 'vitest';
import { ask } from './ask.ts';
import { type Handler, ID, transaction } from './scripted-coordinator.ts';

const BEGAN = Date.UTC(2026, 10, 20, 10, 0, 0);
const WHOSE = { application: 'shop', host: 'web-3', user: 'deploy', session: 'k3j2' };
const OPEN = transaction({ beganAtMs: BEGAN, decidedAtMs: BEGAN + 250, whose: WHOSE });
const OVER = [
  transaction({
    ...{ gtrid: 'jx3k5q2m7a.2.20', state: 'TRANSACTION_STATE_COMPLETED', outcome: 'OUTCOME_ROLLED_BACK', branches: [] },
    ...{ beganAtMs: BEGAN, endedAtMs: BEGAN + 60_000, whose: WHOSE },
    reason: { code: 'TXN_TIMEOUT', message: 'its deadline has passed', retryable: true },
  }),
  transaction({ state: 'TRANSACTION_STATE_COMPLETED', beganAtMs: BEGAN, decidedAtMs: BEGAN + 250 }),
];
const ENTRY = {
  ...{ atMs: BEGAN, operator: 'anna@ops-1', action: 'forget', subject: ID, requestId: 'cli-1' },
  reason: 'deposit corrected by hand, INC-1234',
};
const ACCEPTED = {
  ...ENTRY,
  atMs: BEGAN + 1,
  action: 'accept-resource',
  subject: 'orders',
  detail: 'b in the place of a',
};

it('tx show and tx list say whose it is, when it was begun and decided', async () => {
  const GetTransaction: Handler = () => ({ transaction: OPEN });
  const shown = await ask(['tx', 'show', ID], { GetTransaction });
  expect(shown.stdout).toMatch(/^Age +3m 20s, begun 2026-11-20T10:00:00\.000Z$/m);
  expect(shown.stdout).toMatch(/^Decided +2026-11-20T10:00:00\.250Z$/m);
  expect(shown.stdout).toMatch(/^Whose +shop, deploy@web-3, session k3j2$/m);
  const list = await ask(['tx', 'list'], { ListTransactions: () => ({ transactions: [OPEN] }) });
  expect(list.stdout).toContain('shop, deploy@web-3');
});

it.each([
  ['tx-list-finished.txt', []],
  ['tx-list-finished.json', ['--output', 'json']],
])('%s keeps what it shows', async (name, output) => {
  const ListTransactions: Handler = () => ({ transactions: OVER });
  const { exit, stdout, calls } = await ask(['tx', 'list', '--finished', '--since', '1h', ...output], {
    ListTransactions,
  });
  expect(exit).toBe(0);
  expect(calls.at(-1)?.request).toMatchObject({ finished: true, sinceMs: '3600000' });
  await expect(stdout).toMatchFileSnapshot(`golden/${name}.golden`);
});

it('--since without --finished, and --finished with states, are usage errors', async () => {
  expect(await ask(['tx', 'list', '--since', '1h'])).toMatchObject({ exit: 2 });
  expect(await ask(['tx', 'list', '--finished', '--state', 'active'])).toMatchObject({ exit: 2 });
});

it.each([
  ['audit-list.txt', ['list']],
  ['audit-list.json', ['list', '--output', 'json']],
  ['audit-export.jsonl', ['export', '--since', '30d']],
])('%s keeps what it shows, from every page', async (name, args) => {
  const ListAudit: Handler = ({ pageToken }) =>
    pageToken === '' ? { entries: [ENTRY], nextPageToken: '7' } : { entries: [ACCEPTED] };
  const { exit, stdout, stderr } = await ask(['audit', ...args], { ListAudit });
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  await expect(stdout).toMatchFileSnapshot(`golden/${name}.golden`);
});
