// TransactionService as a program in any language sees it: from the proto alone, by unary calls.
import type { ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { silent } from './scripted-participant.ts';
import { refusal } from './unary.ts';

describe('a transaction by unary calls', () => {
  it('begins under an id of the log, with the time limit that was asked for or the default', async () => {
    await using system = await openSystem({ defaultTimeoutMs: 1_234 });
    const { identity, epoch } = system.log.recovered;
    const one = await system.api.begin({ timeoutMs: 500 });
    const other = await system.api.begin({});
    expect(one).toEqual({ gtrid: `${identity}.${epoch}.0`, timeoutMs: 500 });
    expect(other).toEqual({ gtrid: `${identity}.${epoch}.1`, timeoutMs: 1_234 });
    expect(await system.info(one.gtrid)).toMatchObject({
      state: 'TRANSACTION_STATE_ACTIVE',
      outcome: 'OUTCOME_UNSPECIFIED',
      branches: [],
    });
  });

  it('enlists a branch with the address of its sidecar and the time that is left', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { hello: { address: '127.0.0.1:7777' } });
    const { gtrid } = await system.api.begin({ timeoutMs: 9_000 });
    const enlisted = await system.api.enlist({ gtrid, resource: 'orders' });
    expect(enlisted).toMatchObject({ bqual: 'orders', address: '127.0.0.1:7777', instance: orders.instance });
    expect(enlisted.timeoutMs).toBeGreaterThan(1_000);
    expect(enlisted.timeoutMs).toBeLessThanOrEqual(9_000);
  });

  it('gives each further branch of a resource a number of its own', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    const ask = async (newBranch: boolean) => (await system.api.enlist({ gtrid, resource: 'orders', newBranch })).bqual;
    expect([await ask(true), await ask(true), await ask(false), await ask(true)]).toEqual([
      'orders.1',
      'orders.2',
      'orders',
      'orders.3',
    ]);
  });

  it('commits at two resources: both prepare, then both are told, and the answer names them', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts, orders);
    const committed = await system.api.commit({ gtrid });
    expect(committed).toMatchObject({
      gtrid,
      outcome: 'OUTCOME_COMMITTED',
      state: 'TRANSACTION_STATE_COMPLETED',
      branches: [
        { bqual: 'accounts', resource: 'accounts', state: 'BRANCH_STATE_COMMITTED', evidence: { row: 'x7aaaaaaaaaa' } },
        { bqual: 'orders', resource: 'orders', state: 'BRANCH_STATE_COMMITTED' },
      ],
    });
    expect(accounts.heard('prepare')).toEqual([{ gtrid, bqual: 'accounts' }]);
    expect(accounts.heard('finish')).toMatchObject([
      { gtrid, bqual: 'accounts', verb: 'FINISH_VERB_COMMIT', evidence: { row: 'x7aaaaaaaaaa' }, instance: '' },
    ]);
    expect(orders.told).toEqual(['commit orders']);
    expect(system.records('decided')).toMatchObject([
      { gtrid, branches: [{ bqual: 'accounts' }, { bqual: 'orders' }] },
    ]);
  });

  it('enlists a branch at the participant that the caller names, and at no other', async () => {
    await using system = await openSystem();
    await system.participant('orders', { hello: { address: '127.0.0.1:7777' } });
    const embedded = await system.participant('orders', { hello: { kind: 'PARTICIPANT_KIND_EMBEDDED', address: '' } });
    const { gtrid } = await system.api.begin({});
    const ask = (instance: string) => system.api.enlist({ gtrid, resource: 'orders', newBranch: true, instance });
    expect(await ask(embedded.instance)).toMatchObject({ bqual: 'orders.1', address: '', instance: embedded.instance });
    expect(await ask('')).toMatchObject({ bqual: 'orders.2', address: '127.0.0.1:7777' });
    expect(await refusal(ask('nobody'))).toMatchObject({ code: 'RESOURCE_UNAVAILABLE' });
    expect(await refusal(ask('No Body'))).toMatchObject({ code: 'FIELD_INVALID' });
    expect((await system.info(gtrid)).branches.map(({ bqual }) => bqual)).toEqual(['orders.1', 'orders.2']);
  });

  it('commits a single branch in one phase', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_COMMITTED');
    expect(orders.heard('prepare')).toEqual([]);
    expect(orders.told).toEqual(['commit_one_phase orders']);
  });

  it('rolls back at every branch on request', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts, orders);
    expect(await system.api.rollback({ gtrid, reason: 'changed my mind' })).toEqual({
      gtrid,
      outcome: 'OUTCOME_ROLLED_BACK',
      state: 'TRANSACTION_STATE_COMPLETED',
    });
    expect([...accounts.told, ...orders.told]).toEqual(['rollback accounts', 'rollback orders']);
    expect((await system.info(gtrid)).reason?.message).toBe('changed my mind');
  });

  it('rolls back branches that only the rollback request names', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    await system.api.rollback({ gtrid, branches: [{ bqual: 'orders.4', instance: orders.instance }] });
    expect(orders.told).toEqual(['rollback orders.4']);
  });

  it('rolls back at a commit request what was marked rollback-only, and says so', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    await system.api.setRollbackOnly({ gtrid, reason: 'stock is negative' });
    expect(await system.info(gtrid)).toMatchObject({ state: 'TRANSACTION_STATE_ACTIVE', rollbackOnly: true });
    const refused = await refusal(system.api.commit({ gtrid }));
    expect(refused).toMatchObject({ status: 10, code: 'ROLLBACK_ONLY', metadata: { gtrid, outcome: 'rolled-back' } });
    expect(refused.message).toContain('stock is negative');
    expect(orders.told).toEqual(['rollback orders']);
  });

  it('rolls back everything when one branch votes no, with the engine’s own words for it', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const reason = {
      code: 'STATEMENT_FAILED',
      message: 'deadlock found',
      sqlstate: '40001',
      errno: 1213,
      retryable: true,
    };
    const orders = await system.participant('orders', { prepare: () => ({ vote: 'VOTE_ROLLBACK', reason }) });
    const { gtrid } = await system.transaction(accounts, orders);
    const refused = await refusal(system.api.commit({ gtrid }));
    expect(refused).toMatchObject({
      status: 10,
      code: 'BRANCH_VOTED_NO',
      metadata: {
        cause: 'STATEMENT_FAILED',
        sqlstate: '40001',
        errno: '1213',
        retryable: 'true',
        outcome: 'rolled-back',
      },
    });
    expect(refused.message).toContain('deadlock found');
    await accounts.hears('finish');
    expect(accounts.told).toEqual(['rollback accounts']);
    expect(system.records('decided')).toEqual([]);
  });

  it('is rolled back at its deadline without anybody asking (faults F51)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    // Long enough for the next call to come in time on a machine that is busy.
    const { gtrid } = await system.api.begin({ timeoutMs: 2_000 });
    await system.api.enlist({ gtrid, resource: 'orders' });
    await orders.hears('finish');
    expect(orders.told).toEqual(['rollback orders']);
    expect((await refusal(system.api.commit({ gtrid }))).code).toBe('TXN_TIMEOUT');
  });

  it('answers a caller that waits no longer than its own deadline, and goes on without it', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts', { prepare: silent });
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(accounts, orders);
    const options = { deadline: Date.now() + 200 };
    expect(await refusal(system.api.commit({ gtrid }, { options }))).toMatchObject({ status: 4, code: 'DEADLINE' });
    const { gtrid: again, bqual } = await accounts.hears('prepare');
    accounts.send({ vote: { gtrid: again, bqual, vote: 'VOTE_PREPARED', evidence: null } });
    await eventually('the transaction commits', async () => (await system.info(gtrid)).outcome === 'OUTCOME_COMMITTED');
  });
});

/** Google's messages as https://github.com/googleapis/googleapis has them: what everybody's libraries read. */
const google = protobuf.parse(`
  syntax = "proto3"; package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message RetryInfo { Duration retry_delay = 1; }
`).root;

function decoded<T>(name: string, bytes: unknown): T {
  return google.lookupType(`google.rpc.${name}`).decode(bytes as Buffer) as unknown as T;
}

describe('a refusal', () => {
  it('carries google.rpc.Status with ErrorInfo in the trailer, as docs/errors.md says', async () => {
    await using system = await openSystem();
    const { identity, epoch } = system.log.recovered;
    const error = await system.api.commit({ gtrid: `${identity}.${epoch}.zz` }).then(
      () => undefined,
      (refused: ServiceError) => refused,
    );
    const trailer = error?.metadata.get('grpc-status-details-bin')[0];
    const { code, details } = decoded<{ code: number; details: { typeUrl: string; value: Buffer }[] }>(
      'Status',
      trailer,
    );
    expect(code).toBe(5);
    expect(details.map(({ typeUrl }) => typeUrl)).toEqual(['type.googleapis.com/google.rpc.ErrorInfo']);
    expect(decoded('ErrorInfo', details[0]?.value)).toMatchObject({
      reason: 'TXN_NOT_FOUND',
      domain: 'concordat.dev',
      metadata: { gtrid: `${identity}.${epoch}.zz` },
    });
  });

  it('carries RetryInfo when the same call may succeed a moment later', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    orders.cut();
    await system.detached(orders);
    const { gtrid } = await system.api.begin({});
    const error = await system.api.enlist({ gtrid, resource: 'orders' }).then(
      () => undefined,
      (refused: ServiceError) => refused,
    );
    const trailer = error?.metadata.get('grpc-status-details-bin')[0];
    const { details } = decoded<{ details: { typeUrl: string; value: Buffer }[] }>('Status', trailer);
    const retry = details.find(({ typeUrl }) => typeUrl === 'type.googleapis.com/google.rpc.RetryInfo');
    expect(decoded('RetryInfo', retry?.value)).toMatchObject({ retryDelay: { nanos: 200_000_000 } });
    expect(error?.code).toBe(14);
  });
});
