// The statements that `tx explain` prints for a branch whose sidecar is away, run as they are printed, at real databases.
import mysql from 'mysql2/promise';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { byHandOf, renderByHand } from '../../src/cli/show/by-hand.ts';
import type { BranchView, TransactionView } from '../../src/cli/show/transaction-view.ts';
import { printSql } from '../../src/participants/mysql/sql/tables.ts';
import { startTexts } from '../../src/participants/mysql/sql/texts.ts';
import { gidLiteral } from '../../src/participants/postgres/sql/gid.ts';
import { printPostgresSql } from '../../src/participants/postgres/tables/tables.ts';
import { type Opening, parseOpening } from '../../src/xa/evidence.ts';
import { type Bqual, type Gtrid, parseBqual, parseGtrid } from '../../src/xa/xid.ts';
import { useEngine } from '../support/engines.ts';

const ID = 'jx3k5q2m7a.2.1f';
const OPENING = 'u3c6vm5xdfpa';
const ROW = {
  gtrid: parseGtrid(ID) as Gtrid,
  bqual: parseBqual('orders.2') as Bqual,
  opening: parseOpening(OPENING) as Opening,
};

function branch(fields: Partial<BranchView> = {}): BranchView {
  return {
    ...{ bqual: 'orders.2', resource: 'orders', state: 'committing', instance: null, reason: null },
    ...{ evidence: `row:${OPENING}`, attempts: 1, nextAttemptInMs: null },
    ...fields,
  };
}

describe('postgresql', () => {
  const engine = useEngine('postgresql-18');

  it('lists the branch, shows its row, and ends it as decided', async () => {
    const client = new pg.Client({ connectionString: engine.server.url });
    await client.connect();
    try {
      await client.query(printPostgresSql(engine.server.user));
      await client.query('begin');
      await client.query('insert into concordat.branch (gtrid, bqual, opening) values ($1, $2, $3)', [
        ...[ID, 'orders.2', OPENING],
      ]);
      await client.query(`prepare transaction ${gidLiteral(ROW)}`);
      const { look, commit } = byHandOf(ID, branch(), 'postgresql') ?? expect.fail();
      const [prepared = '', row = ''] = look;
      expect((await client.query(prepared)).rows).toMatchObject([{ gid: `concordat:${ID}:orders.2:${OPENING}` }]);
      expect((await client.query(row)).rows).toEqual([]);
      await client.query(commit ?? '');
      expect((await client.query(prepared)).rows).toEqual([]);
      expect((await client.query(row)).rows).toEqual([{ opening: OPENING }]);
    } finally {
      await client.end();
    }
  });
});

describe.each(['mariadb', 'mysql'] as const)('%s', (name) => {
  const engine = useEngine(name);

  it('lists the branch, shows its row, and ends it as decided', async () => {
    const options = { uri: engine.server.url, multipleStatements: true, stringifyObjects: true };
    const owner = await mysql.createConnection(options);
    const person = await mysql.createConnection(options);
    try {
      await owner.query(printSql(name));
      for (const text of startTexts(ROW, { isolation: 'default', readOnly: false })) {
        await owner.query(text);
      }
      await owner.query('insert into concordat_branch (gtrid, bqual, opening) values (?, ?, ?)', [
        ...[ID, 'orders.2', OPENING],
      ]);
      const { look, commit } = byHandOf(ID, branch(), name) ?? expect.fail();
      const literal = (commit ?? '').replace(/^XA COMMIT (.*);$/, '$1');
      await owner.query(`xa end ${literal}`);
      await owner.query(`xa prepare ${literal}`);
      owner.destroy(); // What MariaDB demands, and the words say so.
      const [prepared = '', row = ''] = look;
      const rows = async (sql: string): Promise<readonly unknown[]> => (await person.query(sql))[0] as unknown[];
      expect(JSON.stringify(await rows(prepared)).toLowerCase()).toContain(Buffer.from(ID).toString('hex'));
      expect(await rows(row)).toEqual([]);
      await expect.poll(() => person.query(commit ?? '').then(() => 'done', String), { timeout: 10_000 }).toBe('done');
      expect(await rows(prepared)).toEqual([]);
      expect(await rows(row)).toHaveLength(1);
    } finally {
      owner.destroy();
      await person.end();
    }
  });
});

describe('what is said beside the statements', () => {
  const transaction = (decision: string | null) => ({ id: ID, decision }) as TransactionView;

  it('a decision has one statement, a warning, and what to do then', () => {
    const byHand = byHandOf(ID, branch({ state: 'rolling-back' }), 'postgresql') ?? expect.fail();
    const text = renderByHand(transaction('rollback'), [byHand]);
    expect(text).toContain(`rollback prepared 'concordat:${ID}:orders.2:${OPENING}';`);
    expect(text).not.toContain('commit prepared');
    expect(text).toContain('WARNING: no one checks what you type.');
    expect(text).toContain('Then start the sidecar');
  });

  it('without a decision there is nothing to finish, and how to decide', () => {
    const byHand = byHandOf(ID, branch({ state: 'prepared', evidence: null }), 'mysql') ?? expect.fail();
    const text = renderByHand(transaction(null), [byHand]);
    expect(text).toContain('XA RECOVER CONVERT XID;');
    expect(text).not.toMatch(/XA (COMMIT|ROLLBACK) /);
    expect(text).toContain(`concordat tx resolve ${ID} --rollback`);
  });
});
