// What preflight finds at PostgreSQL, each with the fix that it names, on servers that are set up wrongly on purpose.

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openPostgresResourceManager, type PostgresOptions } from '../../src/participants/postgres/resource-manager.ts';
import { printPostgresSql } from '../../src/participants/postgres/tables/tables.ts';
import type { PreflightFinding } from '../../src/participants/resource-manager.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import { useEngine } from '../support/engines.ts';
import { rawQuery } from './postgres-harness.ts';
import { freshIdentity, freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, engineError, expectPrepared } = steps;
const write = { sql: 'select pg_current_xact_id()', parameters: [] };

function find(findings: readonly PreflightFinding[], check: string): PreflightFinding | undefined {
  return findings.find((finding) => finding.check === check);
}

function open(url: string, options: Partial<PostgresOptions> = {}) {
  return openPostgresResourceManager({ url, clock: systemClock, instance: 'preflight', poolMax: 2, ...options });
}

describe('a server with two prepared-transaction slots', () => {
  const engine = useEngine('postgresql-18', { settings: { max_prepared_transactions: '2', max_connections: '20' } });

  it('is fit for two branches, and a larger pool is warned of', async () => {
    await using fitting = open(engine.server.url);
    expect(await fitting.preflight()).toEqual([]);
    await using large = open(engine.server.url, { poolMax: 30 });
    const findings = await large.preflight();
    expect(find(findings, 'max_prepared_transactions')).toMatchObject({
      fatal: false,
      fix: expect.stringContaining('alter system set max_prepared_transactions = 30'),
    });
    expect(find(findings, 'max_connections')).toMatchObject({
      fatal: false,
      message: expect.stringContaining('38 connections'),
    });
  });

  it('when the slots are used up the vote is rollback, retryable, and names the setting (conformance L5)', async () => {
    await using manager = open(engine.server.url, { poolMax: 4 });
    await manager.createTables();
    const votes = [];
    const xids = [freshXid(), freshXid(), freshXid()];
    for (const xid of xids) {
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(write);
      votes.push(await branch.prepare());
    }
    expect(votes.map((vote) => vote.kind)).toEqual(['prepared', 'prepared', 'rollback']);
    expect(votes[2]).toMatchObject({
      reason: { sqlstate: '53200', retryable: true, message: expect.stringContaining('max_prepared_transactions') },
    });
    expect(find(await manager.preflight(), 'prepared-slots')).toMatchObject({
      fatal: false,
      message: expect.stringContaining('2 of 2'),
    });
    for (const xid of xids) {
      expect(await manager.rollback(xid, NO_EVIDENCE)).toEqual({ kind: 'done' });
    }
    await rawQuery(engine.server.url, 'drop schema concordat cascade');
  });

  it('a role that may not create the epoch table is refused with the statements that fix it', async () => {
    const { url, port, database } = engine.server;
    await rawQuery(url, `create role plain login password 'plain'`);
    await using plain = open(`postgresql://plain:plain@127.0.0.1:${port}/${database}`);
    const before = find(await plain.preflight(), 'tables');
    expect(before).toMatchObject({
      fatal: true,
      fix: expect.stringContaining('create table if not exists concordat.epoch'),
    });
    expect((await engineError(plain.createTables())).reason.sqlstate).toBe('42501');
    expect((await engineError(plain.raiseEpoch(freshIdentity(), 1, 'one'))).reason).toMatchObject({
      code: 'PREFLIGHT_FAILED',
      message: expect.stringContaining('create schema'),
    });
    await using admin = open(url);
    await admin.createTables();
    expect(find(await plain.preflight(), 'tables')).toMatchObject({
      fatal: true,
      message: expect.stringContaining('may not read and write'),
    });
    await rawQuery(url, printPostgresSql('plain'));
    expect(await plain.preflight()).toEqual([]);
    await plain.createTables();
    expect(await plain.raiseEpoch(freshIdentity(), 4, 'four')).toEqual({ epoch: 4, token: 'four' });
  });

  it('a table of an older version gets its new column, from whoever may change it', async () => {
    const { url, port, database } = engine.server;
    const identity = freshIdentity();
    await using admin = open(url);
    await admin.createTables();
    await rawQuery(url, 'alter table concordat.epoch drop column token');
    await rawQuery(url, `insert into concordat.epoch values ('${identity}', 3)`);
    await rawQuery(url, `create role reader login password 'reader'`);
    await rawQuery(url, 'grant usage on schema concordat to reader');
    await rawQuery(url, 'grant select, insert, update on concordat.epoch to reader');
    await using reader = open(`postgresql://reader:reader@127.0.0.1:${port}/${database}`);
    expect((await engineError(reader.createTables())).reason.sqlstate).toBe('42501');
    expect(find(await reader.preflight(), 'tables')).toMatchObject({
      fatal: true,
      message: expect.stringContaining('older version'),
      fix: expect.stringContaining('add column if not exists token'),
    });
    await Promise.all([admin.createTables(), admin.createTables()]);
    expect(await reader.knownLogs()).toContainEqual({ identity, epoch: 3, token: '' });
    expect(await reader.raiseEpoch(identity, 3, 'three')).toEqual({ epoch: 3, token: '' });
    expect(await reader.raiseEpoch(identity, 4, 'four')).toEqual({ epoch: 4, token: 'four' });
  });

  it('the epoch is durable even where the role commits without waiting for the disk, and that is warned of', async () => {
    const { url, port, database } = engine.server;
    await rawQuery(url, `create role hasty superuser login password 'hasty'`);
    await rawQuery(url, 'alter role hasty set synchronous_commit = off');
    await using hasty = open(`postgresql://hasty:hasty@127.0.0.1:${port}/${database}`);
    expect(find(await hasty.preflight(), 'synchronous_commit')).toMatchObject({
      fatal: false,
      fix: expect.stringContaining('alter role hasty'),
    });
    await hasty.createTables();
    const identity = freshIdentity();
    expect(await hasty.raiseEpoch(identity, 7, 'seven')).toEqual({ epoch: 7, token: 'seven' });
    await engine.server.kill('SIGKILL');
    await engine.server.start();
    expect(await hasty.raiseEpoch(identity, 1, 'one')).toEqual({ epoch: 7, token: 'seven' });
  });

  it('branches of ours that belong to another role are shown, with their owner', async () => {
    const { url, port, database } = engine.server;
    await using admin = open(url);
    const xid = freshXid();
    const branch = await admin.open(xid, OPTIONS);
    await branch.execute(write);
    const evidence = expectPrepared(await branch.prepare());
    await rawQuery(url, `create role other login password 'other'`);
    await using other = open(`postgresql://other:other@127.0.0.1:${port}/${database}`);
    expect(find(await other.preflight(), 'owner')).toMatchObject({
      fatal: false,
      message: expect.stringContaining('role postgres'),
    });
    expect(find(await admin.preflight(), 'owner')).toBeUndefined();
    expect(await admin.rollback(xid, evidence)).toEqual({ kind: 'done' });
  });

  it('a role whose transactions are all read-only is refused, with the fix (field P19)', async () => {
    const { url, port, database } = engine.server;
    await rawQuery(url, `create role "Only Reads" superuser login password 'r'`);
    await rawQuery(url, 'alter role "Only Reads" set default_transaction_read_only = on');
    const found = async () => {
      await using reader = open(`postgresql://Only%20Reads:r@127.0.0.1:${port}/${database}`);
      return find(await reader.preflight(), 'read-only');
    };
    const finding = await found();
    expect(finding?.fatal).toBe(true);
    await rawQuery(url, finding?.fix ?? '');
    expect(await found()).toBeUndefined();
  });

  it('a wrong password or role is not worth a repetition, a server that is away is', async () => {
    const { port, database, url } = engine.server;
    await using wrong = open(`postgresql://postgres:wrong@127.0.0.1:${port}/${database}`);
    expect((await engineError(wrong.identify())).reason).toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      sqlstate: '28P01',
      retryable: false,
    });
    await using roleless = open(url, { role: 'nobody-knows' });
    expect((await engineError(roleless.open(freshXid(), OPTIONS))).reason).toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      retryable: false,
    });
    await using away = open(`postgresql://postgres:x@127.0.0.1:1/${database}`);
    expect((await engineError(away.identify())).reason).toMatchObject({ code: 'ENGINE_UNAVAILABLE', retryable: true });
  });

  it('a standby is refused, and a commit sent to it is not yet done (faults F85)', async () => {
    await using manager = open(engine.server.url);
    const xid = freshXid();
    const branch = await manager.open(xid, OPTIONS);
    await branch.execute(write);
    const evidence = expectPrepared(await branch.prepare());
    const [row] = await rawQuery(engine.server.url, 'show data_directory');
    const signal = join(row?.['data_directory'] ?? '', 'standby.signal');
    await engine.server.stop();
    await writeFile(signal, '');
    await engine.server.start();
    expect(find(await manager.preflight(), 'primary')).toMatchObject({
      fatal: true,
      fix: expect.stringContaining('primary'),
    });
    expect(await manager.commit(xid, evidence)).toMatchObject({
      kind: 'not-yet',
      reason: { sqlstate: '25006', message: expect.stringContaining('standby') },
    });
    await engine.server.stop();
    await rm(signal);
    await engine.server.start();
    expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
  });
});

describe('a server without prepared transactions and without fsync', () => {
  const engine = useEngine('postgresql-18', { settings: { max_prepared_transactions: '0', fsync: 'off' } });

  it('is refused with the command that switches them on, and warned of what a crash loses (conformance L19)', async () => {
    await using manager = open(engine.server.url);
    const findings = await manager.preflight();
    expect(find(findings, 'max_prepared_transactions')).toEqual({
      fatal: true,
      check: 'max_prepared_transactions',
      message: expect.stringContaining('is 0'),
      fix: 'alter system set max_prepared_transactions = 200; then restart the server: a reload does not change it',
    });
    expect(find(findings, 'fsync')).toMatchObject({ fatal: false });
    await manager.createTables();
    const branch = await manager.open(freshXid(), OPTIONS);
    await branch.execute(write);
    expect(await branch.prepare()).toMatchObject({ kind: 'rollback', reason: { sqlstate: '55000' } });
  });
});
