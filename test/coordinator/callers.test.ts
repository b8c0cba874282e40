// Request ids are a caller's own: nobody is given what another one has begun under the same id (security X18).
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { openSystem, type System } from './fixture.ts';
import { TestSession } from './test-session.ts';
import { openApi, refusal } from './unary.ts';

function as(token: string): { metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set('concordat-caller', token);
  return { metadata };
}

async function session(system: System, client: string): Promise<TestSession> {
  const opened = new TestSession(system.address);
  await opened.ask({ hello: { ...PROTOCOL, application: 'test', client } });
  return opened;
}

const FIRST = { requestId: 'order-1001', timeoutMs: 20_000 };

describe('one request id of two callers', () => {
  it('begins a transaction for each: over two connections (security X18)', async () => {
    await using system = await openSystem();
    const other = openApi(system.address);
    try {
      const stranger = await other.begin(FIRST);
      const own = await system.api.begin(FIRST);
      expect(own.gtrid).not.toBe(stranger.gtrid);
      expect(await system.api.begin(FIRST)).toEqual(own);
      expect(await other.begin(FIRST)).toEqual(stranger);
      // Nor is anything refused since a stranger has used the id for something else.
      await other.rollback({ requestId: 'order-1002', gtrid: stranger.gtrid });
      expect((await system.api.begin({ requestId: 'order-1002' })).gtrid).not.toBe('');
    } finally {
      other.close();
    }
  });

  it('begins a transaction for each, and one for whoever names itself alike over all its connections (security X18)', async () => {
    await using system = await openSystem();
    const other = openApi(system.address);
    try {
      const own = await system.api.begin(FIRST, as('ours-7f3k'));
      expect((await system.api.begin(FIRST, as('theirs'))).gtrid).not.toBe(own.gtrid);
      expect(await other.begin(FIRST, as('ours-7f3k'))).toEqual(own);
      expect((await refusal(other.begin({ ...FIRST, timeoutMs: 1 }, as('ours-7f3k')))).code).toBe('REQUEST_ID_REUSED');
      for (const token of ['x'.repeat(65), 'a b']) {
        expect((await refusal(system.api.begin(FIRST, as(token)))).code).toBe('FIELD_INVALID');
      }
    } finally {
      other.close();
    }
  });

  it('is a session’s own, and a client’s that comes back with another session (security X18)', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    await using first = await session(system, 'client-a');
    const { gtrid } = await system.api.begin({});
    const enlist = { requestId: 'e1', gtrid, resource: 'orders', newBranch: true };
    const { enlist: enlisted } = await first.ask({ enlist });
    first.cut();
    await using again = await session(system, 'client-a');
    expect((await again.ask({ enlist })).enlist).toEqual(enlisted);
    await using other = await session(system, 'client-b');
    expect((await other.ask({ enlist })).enlist?.bqual).not.toBe(enlisted?.bqual);
    for (const [one, two] of [[await session(system, ''), await session(system, '')]] as const) {
      const rollbackOnly = { setRollbackOnly: { requestId: 's1', gtrid } };
      expect((await one.ask(rollbackOnly)).setRollbackOnly?.gtrid).toBe(gtrid);
      // Another session that names itself nothing may use the id for something else.
      expect((await two.ask({ rollback: { requestId: 's1', gtrid } })).error?.reason).not.toBe('REQUEST_ID_REUSED');
      await one[Symbol.asyncDispose]();
      await two[Symbol.asyncDispose]();
    }
  });

  it('with a token that is none ends the session’s hello, and nothing is begun', async () => {
    await using system = await openSystem();
    await using odd = new TestSession(system.address);
    const hello = { ...PROTOCOL, application: 'test', client: 'x'.repeat(65) };
    expect((await odd.ask({ hello })).error?.reason).toBe('FIELD_INVALID');
  });
});
