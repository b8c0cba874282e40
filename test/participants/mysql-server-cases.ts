// What the adapter finds out about a server of MySQL or MariaDB: identity, preflight, ways to connect, detached branches.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { printSql } from '../../src/participants/mysql/sql/tables.ts';
import type { PreflightFinding, ResourceManager } from '../../src/participants/resource-manager.ts';
import { rowEvidence } from '../../src/xa/evidence.ts';
import type { LogIdentity } from '../../src/xa/xid.ts';
import { errno } from './mysql-by-hand.ts';
import { literal, type MysqlHarness, openHand, openMysqlHarness, rowLiteral } from './mysql-harness.ts';
import { freshRow, freshXid, rowOfBranch, steps, until } from './resource-manager-contract.ts';

const { OPTIONS, engineError, givenPrepared, givenRow, isListed } = steps;

export function mysqlServerCases(name: string, server: () => EngineServer): void {
  describe(`a server of ${name}`, () => {
    let harness: MysqlHarness;
    let manager: ResourceManager;
    beforeAll(async () => {
      harness = await openMysqlHarness(server());
      manager = await harness.open();
    });
    afterAll(async () => {
      await manager?.[Symbol.asyncDispose]();
    });
    const isMariadb = () => harness.engine === 'mariadb';
    const findings = async (from: ResourceManager = manager, check?: string): Promise<readonly PreflightFinding[]> =>
      (await from.preflight()).filter((finding) => check === undefined || finding.check === check);
    const urlOf = (user: string, database = 'concordat') =>
      server()
        .url.replace(/\/\/[^@]*@/, `//${user}@`)
        .replace(/\/concordat$/, `/${database}`);

    it('is known by its engine and its database, not by its address (conformance G12)', async () => {
      const { identity } = await manager.identify();
      await harness.raw('create database if not exists other');
      await using other = harness.openWith({ url: server().url.replace(/\/concordat$/, '/other') });
      const there = (await other.identify()).identity;
      expect(there).not.toBe(identity);
      expect(identity).toMatch(
        isMariadb() ? /^mariadb:[a-z2-7]{20}:\d+:concordat$/ : /^mysql:[0-9a-f-]{36}:concordat$/,
      );
      await using byName = harness.openWith({ url: server().url.replace('127.0.0.1', 'localhost') });
      expect((await byName.identify()).identity).toBe(identity);
    });

    it('participants that start at once on a new database agree on what it is', async () => {
      for (let round = 0; round < 5; round += 1) {
        await harness.raw('drop database if exists fresh; create database fresh');
        const url = server().url.replace(/\/concordat$/, '/fresh');
        const managers = Array.from({ length: 4 }, () => harness.openWith({ url }));
        const identities = await Promise.all(managers.map((each) => each.identify()));
        await Promise.all(managers.map((each) => each[Symbol.asyncDispose]()));
        expect(new Set(identities.map(({ identity }) => identity)).size).toBe(1);
      }
    });

    it('a table of an older version gets its new column, from participants that start at once', async () => {
      await harness.raw(
        `drop database if exists old; create database old; use old; ${printSql(isMariadb() ? 'mariadb' : 'mysql')}`,
      );
      await harness.raw(
        "alter table old.concordat_epoch drop column token; insert into old.concordat_epoch values ('abcdefghij', 3);" +
          'alter table old.concordat_branch drop column opening',
      );
      const url = server().url.replace(/\/concordat$/, '/old');
      await using first = harness.openWith({ url });
      await using second = harness.openWith({ url });
      await Promise.all([first.createTables(), second.createTables()]);
      expect(await harness.raw('select opening from old.concordat_branch')).toEqual([]);
      const identity = 'abcdefghij' as LogIdentity;
      expect(await first.knownLogs()).toEqual([{ identity, epoch: 3, token: '' }]);
      expect(await first.raiseEpoch(identity, 3, 'three')).toEqual({ epoch: 3, token: '' });
      expect(await second.raiseEpoch(identity, 4, 'four')).toEqual({ epoch: 4, token: 'four' });
    });

    it('a wrong password is said in the words of the server', async () => {
      await using wrong = harness.openWith({ url: server().url.replace(/:[^:@/]*@/, ':wrong@') });
      const error = await engineError(wrong.identify());
      expect(error.reason).toMatchObject({ code: 'ENGINE_UNAVAILABLE', errno: 1045 });
    });

    it.each([
      ['innodb_flush_log_at_trx_commit', '2', '1', true],
      ['default_storage_engine', 'MyISAM', 'InnoDB', false],
      ['read_only', 'ON', 'OFF', true],
    ])('preflight tells of %s = %s (faults F85)', async (variable, bad, good, fatal) => {
      expect(await findings(manager, variable)).toEqual([]);
      await harness.raw(`set global ${variable} = ${bad}`);
      try {
        expect(await findings(manager, variable)).toMatchObject([{ fatal }]);
      } finally {
        await harness.raw(`set global ${variable} = ${good}`);
      }
    });

    it.each(['sql_safe_updates', 'sql_select_limit'])(
      'a server with %s = 1 is worked with as any other (field P19)',
      async (name) => {
        const [before] = await harness.raw(`select @@global.${name} v`);
        await harness.raw(`set global ${name} = 1`);
        try {
          await using fresh = await harness.open();
          expect(await findings(fresh)).toEqual([]);
          await fresh.showToken('an-instance', 'a-token');
          const branches = [await givenPrepared(harness, fresh), await givenPrepared(harness, fresh)];
          for (const { xid } of branches) {
            expect(await isListed(fresh, xid)).toBe(true);
          }
          for (const { xid, evidence } of branches) {
            expect(await fresh.commit(xid, evidence)).toEqual({ kind: 'done' });
          }
        } finally {
          await harness.raw(`set global ${name} = ${before?.['v']}`);
        }
      },
    );

    it('preflight names tables that cannot be rolled back, and branches that are not ours', async () => {
      await harness.raw('create table not_atomic (n int) engine=MyISAM');
      const xid = literal({ gtrid: 'somebody', bqual: 'else' }, 7);
      await using hand = await openHand(server());
      await hand.raw(`xa start ${xid}; insert into account values ('foreign', 1); xa end ${xid}; xa prepare ${xid}`);
      const [tables, branches] = [
        await findings(manager, 'storage engine'),
        await findings(manager, 'prepared branches'),
      ];
      expect(tables).toMatchObject([{ fatal: false, message: expect.stringContaining('not_atomic') }]);
      expect(branches).toMatchObject([{ fatal: false, fix: expect.stringContaining(xid) }]);
      await hand.raw(`xa rollback ${xid}; drop table not_atomic`);
      expect(await findings()).toEqual([]);
    });

    it('preflight refuses a table of evidence whose rows outlast a rollback (field P1)', async () => {
      await harness.raw('alter table concordat_branch engine=MyISAM');
      try {
        expect(await findings(manager, 'evidence')).toMatchObject([
          { fatal: true, fix: expect.stringContaining('InnoDB') },
        ]);
      } finally {
        await harness.raw('alter table concordat_branch engine=InnoDB');
      }
      expect(await findings(manager, 'evidence')).toEqual([]);
    });

    it('preflight refuses an account that may not create the tables, and prints the SQL', async () => {
      await harness.raw(
        `create database if not exists bare; create user if not exists 'poor'@'127.0.0.1'; ` +
          `grant select, insert, update, delete on bare.* to 'poor'@'127.0.0.1'`,
      );
      await using poor = harness.openWith({ url: urlOf('poor', 'bare') });
      const kind = harness.engine === 'mariadb' ? 'mariadb' : 'mysql';
      expect(await findings(poor, 'tables')).toMatchObject([{ fatal: true, fix: printSql(kind) }]);
      expect((await engineError(poor.createTables())).reason).toMatchObject({
        code: 'PREFLIGHT_FAILED',
        message: expect.stringContaining('CREATE TABLE IF NOT EXISTS concordat_branch'),
      });
      await harness.raw(`use bare; ${printSql(kind)}`);
      expect(await findings(poor, 'tables')).toEqual([]);
      await poor.createTables();
      expect((await findings(poor)).filter((finding) => finding.fatal).map((finding) => finding.check)).toEqual(
        isMariadb() ? [] : ['XA_RECOVER_ADMIN'],
      );
    });

    it('a branch whose database lacks the evidence table cannot be prepared, and says why', async () => {
      await harness.raw('create database if not exists empty_one');
      await using bare = harness.openWith({ url: server().url.replace(/\/concordat$/, '/empty_one') });
      const key = await givenRow(harness, manager);
      const xid = freshXid();
      const branch = await bare.open(xid, OPTIONS);
      await branch.execute({ sql: `update concordat.account set value = 0 where id = '${key}'`, parameters: [] });
      expect(await branch.prepare()).toMatchObject({ kind: 'rollback', reason: { errno: 1146 } });
      expect(await isListed(manager, xid)).toBe(false);
      expect(await harness.committed(key)).toBe(100n);
    });

    it('a branch that the engine detaches leaves its session to the next, and any session finishes it (conformance M2)', async () => {
      await using one = harness.openWith({ detach: true, poolMax: 1 });
      const first = await givenPrepared(harness, one);
      const second = await givenPrepared(harness, one);
      expect(await errno(harness.raw(`xa commit ${rowLiteral(rowOfBranch(first))}`))).toBeUndefined();
      expect(await one.commit(first.xid, first.evidence)).toEqual({ kind: 'done' });
      expect(await one.rollback(second.xid, second.evidence)).toEqual({ kind: 'done' });
      expect([await harness.committed(first.key), await harness.committed(second.key)]).toEqual([90n, 100n]);
    });

    it('fact 9: a detached branch that wrote nothing is answered XA_RBROLLBACK, which is never taken for a commit', async (context) => {
      context.skip(!isMariadb(), 'MySQL commits it');
      for (const verb of ['commit', 'rollback'] as const) {
        const xid = freshRow();
        await using hand = await openHand(server());
        await hand.raw(`set session pseudo_slave_mode = 1`);
        await hand.raw(
          ['xa start', 'xa end', 'xa prepare']
            .map((verb) => `${verb} ${rowLiteral(xid)}`)
            .join(';')
            .replace(';', ';select * from account;'),
        );
        const result = await manager[verb](xid, rowEvidence(xid.opening));
        expect(result.kind).toBe(verb === 'commit' ? 'done-otherwise' : 'done');
        expect(await isListed(manager, xid)).toBe(false);
      }
    });

    it('fact 10: a rolled-back branch that a crash brings back is rolled back again', async () => {
      const prepared = await Promise.all(Array.from({ length: 4 }, () => givenPrepared(harness, manager)));
      for (const { xid, evidence } of prepared) {
        expect(await manager.rollback(xid, evidence)).toEqual({ kind: 'done' });
      }
      await harness.kill();
      await harness.start();
      for (const { xid, evidence, key } of prepared) {
        expect(await manager.rollback(xid, evidence)).toEqual({ kind: 'done' });
        expect(await isListed(manager, xid)).toBe(false);
        expect(await harness.committed(key)).toBe(100n);
      }
    });

    it('TLS is used where the address asks for it', async (context) => {
      context.skip(isMariadb(), 'the server has no certificate');
      await using secure = harness.openWith({ url: `${server().url}?ssl-mode=REQUIRED` });
      const { xid, evidence, key } = await givenPrepared(harness, secure);
      const branch = await secure.open(freshXid(), OPTIONS);
      const { rows } = await branch.execute({ sql: `show session status like 'Ssl_cipher'`, parameters: [] });
      expect(rows[0]?.[1]).toMatchObject({ kind: 'text', value: expect.stringMatching(/TLS/) });
      await branch.rollback();
      expect(await secure.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await harness.committed(key)).toBe(90n);
    });

    it('an IP address is verified as what it is, not as localhost (field P19)', async (context) => {
      context.skip(isMariadb(), 'the server has no certificate');
      const directory = await mkdtemp(join(tmpdir(), 'concordat-tls-'));
      const { stdout } = await promisify(execFile)('openssl', ['version']).catch(() => ({ stdout: '' }));
      context.skip(stdout === '', 'there is no openssl here to make certificates with');
      const make = async (name: string, alternative: string) => {
        const [key, certificate] = [join(directory, `${name}.key`), join(directory, `${name}.pem`)];
        const subject = ['-subj', '/CN=db', '-addext', `subjectAltName=${alternative}`];
        await promisify(execFile)('openssl', [
          ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'],
          ...[...subject, '-keyout', key, '-out', certificate],
        ]);
        // As root the server runs as somebody else, who has to read them.
        await Promise.all([chmod(directory, 0o755), chmod(key, 0o644), chmod(certificate, 0o644)]);
        return { key, certificate };
      };
      try {
        for (const [alternative, isRight] of [
          ['DNS:localhost', false],
          ['IP:127.0.0.1', true],
          ['IP:127.0.0.2,DNS:127.0.0.1', false],
        ] as const) {
          const { key, certificate } = await make(String(alternative.length), alternative);
          await harness.raw(
            `set global ssl_ca = '${certificate}', global ssl_cert = '${certificate}', global ssl_key = '${key}'; alter instance reload tls`,
          );
          const url = `${server().url}?ssl-mode=VERIFY_IDENTITY&ssl-ca=${encodeURIComponent(certificate)}`;
          await using verified = harness.openWith({ url });
          const answer = await verified.identify().then(
            () => true,
            (error: Error) => error.message,
          );
          expect(answer).toEqual(isRight ? true : expect.stringContaining('127.0.0.1'));
        }
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    });

    it('an adapter that is closed refuses, and lets its connections go', async () => {
      await using hand = await openHand(server());
      const connections = async () => (await hand.raw('show processlist')).map((row) => row['Id']);
      await manager.list();
      const before = await connections();
      const closing = harness.openWith();
      await givenPrepared(harness, closing);
      const own = (await connections()).filter((id) => !before.includes(id));
      expect(own.length).toBeGreaterThanOrEqual(2);
      await closing[Symbol.asyncDispose]();
      await engineError(closing.open(freshXid(), OPTIONS));
      await engineError(closing.list());
      await until('they are gone', async () => !(await connections()).some((id) => own.includes(id)));
    });
  });
}
