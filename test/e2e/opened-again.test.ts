// A statement that its client repeats opens a decided branch again, at a sidecar that was started again: the work is done once, whichever
// database it is, and whether its row is there still or was swept.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { type Api, openApi } from '../coordinator/unary.ts';
import { Application } from '../participants/sidecar-fixture.ts';
import { eventually } from '../support/eventually.ts';
import { settled, useSystem } from './system.ts';

type Resource = 'accounts' | 'orders';

for (const [name, key] of [
  ['MariaDB', 'mariadb'],
  ['MySQL', 'mysql'],
] as const) {
  describe(`PostgreSQL and ${name}`, () => {
    const pair = useSystem(key);
    let api: Api;

    beforeEach(async () => {
      api = openApi(pair.system.cluster.address);
    });
    afterEach(() => api.close());

    /** The first and last statement of the branch, as a client sends it again that had no answer. */
    async function execute(resource: Resource, gtrid: string): Promise<string> {
      const sql =
        resource === 'accounts'
          ? 'update customer set deposit = deposit - 10 where id = 1'
          : `insert into customer_order (id, customer_id, amount) values (uuid(), 1, 10)`;
      const listed = await eventually(`${resource} is served`, async () => {
        const { resources } = await api.resources({});
        return resources.find((one) => one.name === resource && one.participants.some(({ address }) => address !== ''));
      });
      const address = listed.participants.find((one) => one.address !== '')?.address ?? '';
      using application = new Application(address);
      const { vote } = await application.execute({ gtrid, bqual: resource, sql, statement: 1, last: true });
      return String(vote);
    }

    async function begun(): Promise<string> {
      const { gtrid } = await api.begin({ timeoutMs: 30_000 });
      expect(await execute('accounts', gtrid)).toBe('VOTE_PREPARED');
      expect(await execute('orders', gtrid)).toBe('VOTE_PREPARED');
      return gtrid;
    }

    const branches = [{ bqual: 'accounts' }, { bqual: 'orders' }];

    test.each(['accounts', 'orders'] as const)(
      'the sidecar of %s dies behind its commit, and the statement comes again (field R13)',
      { timeout: 60_000 },
      async (resource) => {
        const { cluster } = pair.system;
        await cluster.sidecar(resource).kill();
        await cluster.startSidecar(resource, { failpoints: 'after-commit=crash' });
        const gtrid = await begun();
        const commit = api.commit({ gtrid, branches });
        await cluster.sidecar(resource).ended;
        await cluster.startSidecar(resource, { wait: false });
        // Until it is refused for good, or answered: whatever it opens must not be committed.
        const repeated = await eventually('the statement is answered', () =>
          execute(resource, gtrid).then(
            (vote) => vote,
            (error: Error) =>
              /UNAVAILABLE|not attached|ECONNREFUSED|No connection/.test(String(error)) ? false : 'refused',
          ),
        );
        expect(['refused', 'VOTE_PREPARED', 'VOTE_ROLLBACK']).toContain(repeated);
        expect((await commit).outcome).toBe('OUTCOME_COMMITTED');
        expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
      },
    );

    test.each(['accounts', 'orders'] as const)(
      'the statement comes again when the row of %s was swept (field R2)',
      { timeout: 60_000 },
      async (resource) => {
        const { cluster } = pair.system;
        const gtrid = await begun();
        expect((await api.commit({ gtrid, branches })).outcome).toBe('OUTCOME_COMMITTED');
        // A forced write of the log behind it, so that the rows may go.
        const next = await begun();
        await api.commit({ gtrid: next, branches });
        await eventually('its row is swept', async () => !(await rows(resource)).includes(gtrid), 20_000);
        await cluster.sidecar(resource).kill();
        await cluster.startSidecar(resource);
        await execute(resource, gtrid).catch(() => 'refused');
        const books = await settled(pair.system);
        expect(books).toEqual({ deposit: DEPOSIT - 20, orders: 2, spent: 20 });
        expect((await api.getTransaction({ gtrid })).transaction?.outcome).toBe('OUTCOME_COMMITTED');
      },
    );

    /** Transactions that have a row. */
    async function rows(resource: Resource): Promise<readonly string[]> {
      const { accounts, orders } = pair;
      if (resource === 'accounts') {
        const { rawQuery } = await import('../participants/postgres-harness.ts');
        return (await rawQuery(accounts.server.url, 'select gtrid from concordat.branch')).map((row) =>
          String(row['gtrid']),
        );
      }
      const { openHand } = await import('../participants/mysql-harness.ts');
      await using hand = await openHand(orders.server);
      return (await hand.raw('select gtrid from concordat_branch')).map((row) => String(row['gtrid']));
    }
  });
}
