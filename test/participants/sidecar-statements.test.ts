// Statements over gRPC: one by one and in batched streams, their limits, and what becomes of a stream that breaks.
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { MemoryEngine } from '../../src/testing/engine/engine.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import { eventually } from '../support/eventually.ts';
import { startAttachCoordinator } from './attach-coordinator.ts';
import { ManualClock } from './manual-clock.ts';
import { ref } from './runtime-fixture.ts';
import { Application, freshBranch, startSidecar } from './sidecar-fixture.ts';

function memory(engine: MemoryEngine): () => ResourceManager {
  return () => openMemoryResourceManager({ engine, clock: systemClock });
}

describe('statements over unary calls', () => {
  it('open, execute, prepare and are answered with values, the instance and the vote', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator);
    await started.sidecar.ready;
    const session = await coordinator.attached();
    using application = new Application(started.sidecar.address);
    const xid = freshBranch(coordinator);
    await application.execute({ ...ref(xid), sql: 'set a $1', parameters: [{ int: '41' }], statement: 1 });
    const answer = await application.execute({ ...ref(xid), sql: 'get a', statement: 2, last: true });
    expect(answer).toMatchObject({
      rows: [{ values: [{ int: '41' }] }],
      rowCount: '1',
      vote: 'VOTE_PREPARED',
      instance: session.heard('hello')[0]?.instance,
    });
    expect(await session.hears('vote')).toMatchObject({ ...ref(xid), vote: 'VOTE_PREPARED' });
    expect(session.heard('hello')[0]?.address).toBe(started.sidecar.address);
  });

  it('and in a stream; then the client asks for the vote, which has no answer of its own', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator);
    await started.sidecar.ready;
    const session = await coordinator.attached();
    using application = new Application(started.sidecar.address);
    const xid = freshBranch(coordinator);
    const calls = [{ id: 7, execute: { ...ref(xid), sql: 'set a 1', statement: 1 } }];
    application.stream.write({ calls });
    await application.reply(7);
    const nobody = { gtrid: 'not one', bqual: 'accounts' };
    application.stream.write({ calls: [{ id: 8, prepare: nobody }, { prepare: ref(xid) }] });
    expect(await session.hears('vote')).toMatchObject({ ...ref(xid), vote: 'VOTE_PREPARED' });
    expect(application.replies.map(({ id }) => id)).toEqual([7]);
  });

  it('are refused by the catalogue, in the words of the engine', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator);
    await started.sidecar.ready;
    using application = new Application(started.sidecar.address);
    const xid = freshBranch(coordinator);
    expect(await application.refusal({ ...ref(xid), sql: 'fail', statement: 1 })).toMatchObject({
      code: 'STATEMENT_FAILED',
      metadata: { retryable: 'false' },
    });
    expect(await application.refusal({ ...ref(xid), sql: 'commit', statement: 2 })).toMatchObject({
      code: expect.stringMatching(/^STATEMENT_/),
    });
    expect((await application.refusal({ ...ref(xid), sql: '', statement: 3 })).code).toBe('FIELD_INVALID');
    expect((await application.refusal({ gtrid: xid.gtrid, bqual: 'orders', sql: 'x', statement: 1 })).code).toBe(
      'NOT_OWNER',
    );
  });

  it('wait no longer than 30 seconds; the number repeated joins the statement', async () => {
    await using coordinator = await startAttachCoordinator();
    const clock = new ManualClock();
    const engine = new MemoryEngine('slow');
    await using started = await startSidecar(coordinator, { clock, engine: memory(engine) });
    const session = await coordinator.attached();
    using application = new Application(started.sidecar.address);
    const xid = freshBranch(coordinator);
    const slow = { ...ref(xid), sql: 'hang', statement: 1, timeoutMs: 3_600_000 };
    const first = application.refusal(slow);
    await session.hears('opened');
    coordinator.heartbeatIntervalMs = 60_000;
    clock.advance(30_000);
    expect((await first).code).toBe('DEADLINE');
    const second = application.refusal(slow);
    await eventually('it waits again', () => clock.delays().includes(30_000));
    engine.endSessions('enough');
    expect((await second).code).toBe('ENGINE_UNAVAILABLE');
    expect(coordinator.sessions[0]?.heard('opened')).toHaveLength(1);
  });

  it('with too much metadata, and too large ones, are refused; the others go on', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator);
    await started.sidecar.ready;
    using application = new Application(started.sidecar.address);
    const request = { ...ref(freshBranch(coordinator)), sql: 'set a 1', statement: 1 };
    const [many, large] = [new Metadata(), new Metadata()];
    for (let n = 0; n < 70; n += 1) {
      many.add(`k${n}`, 'v');
    }
    large.set('k', 'v'.repeat(9_000));
    for (const metadata of [many, large]) {
      expect((await application.refusal(request, metadata)).code).toBe('LIMIT_METADATA');
    }
    const huge = { ...request, sql: `set a ${'x'.repeat(4 * 1024 * 1024)}` };
    expect((await application.refusal(huge)).code).toBe('LIMIT_FRAME');
    await application.execute(request);
  });
});

describe('statements over a session', () => {
  it('run side by side over branches, in order within one, and answers of one turn come as one frame', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator);
    await started.sidecar.ready;
    using application = new Application(started.sidecar.address);
    const [slow, quick] = [freshBranch(coordinator), freshBranch(coordinator)];
    application.stream.write({ calls: [{ id: 1, execute: { ...ref(slow), sql: 'hang', statement: 1 } }] });
    application.stream.write({
      calls: ['set a 1', 'add a 1', 'get a'].map((sql, index) => ({
        id: index + 2,
        execute: { ...ref(quick), sql, statement: index + 1 },
      })),
    });
    expect((await application.reply(4)).execute?.rows).toMatchObject([{ values: [{ int: '2' }] }]);
    expect(application.replies.map(({ id }) => id)).toEqual([2, 3, 4]);
    expect(application.frames.length).toBeLessThan(3);
  });

  it('a refusal is an error inside the stream, which goes on; a deadlock is worth a retry', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator);
    await started.sidecar.ready;
    using application = new Application(started.sidecar.address);
    const [one, two] = [freshBranch(coordinator), freshBranch(coordinator)];
    const call = (id: number, xid: typeof one, sql: string, number: number) => ({
      id,
      execute: { ...ref(xid), sql, statement: number },
    });
    application.stream.write({ calls: [{ id: 9 }, call(1, one, 'set a 1', 1), call(2, two, 'set b 1', 1)] });
    await application.reply(2);
    application.stream.write({ calls: [call(3, one, 'set b 2', 2)] });
    application.stream.write({ calls: [call(4, two, 'set a 2', 2)] });
    expect((await application.reply(4)).error).toMatchObject({ reason: 'STATEMENT_FAILED', retryable: true });
    expect((await application.reply(9)).error).toMatchObject({ reason: 'FIELD_INVALID', retryable: false });
    expect(application.streamError).toBeUndefined();
  });

  it('large answers come in frames of their own, below what a message may be', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator);
    await started.sidecar.ready;
    using application = new Application(started.sidecar.address);
    const xids = Array.from({ length: 6 }, () => freshBranch(coordinator));
    application.stream.write({
      calls: xids.map((xid, index) => ({
        id: index + 1,
        execute: { ...ref(xid), sql: 'bytes 2500000', statement: 1 },
      })),
    });
    for (const [index] of xids.entries()) {
      expect((await application.reply(index + 1)).execute?.rows[0]?.values[0]?.text).toHaveLength(2_500_000);
    }
    expect(application.streamError).toBeUndefined();
    expect(application.frames).toEqual(Array(6).fill(1));
  });

  it('a stream that breaks leaves its branches, and another one goes on with them', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator);
    await started.sidecar.ready;
    const session = await coordinator.attached();
    const xid = freshBranch(coordinator);
    const first = new Application(started.sidecar.address);
    first.stream.write({ calls: [{ id: 1, execute: { ...ref(xid), sql: 'set a 1', statement: 1 } }] });
    await first.reply(1);
    first.stream.write({ calls: [{ id: 2, execute: { ...ref(xid), sql: 'hang', statement: 2 } }] });
    first[Symbol.dispose]();
    using second = new Application(started.sidecar.address);
    const other = freshBranch(coordinator);
    await second.execute({ ...ref(other), sql: 'set b 1', statement: 1, last: true });
    await session.hears('vote');
    expect(session.heard('vote')).toHaveLength(1);
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_ROLLBACK' } });
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
  });

  it('an application that does not read its answers loses its stream, and the sidecar does not keep them', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator);
    await started.sidecar.ready;
    using application = new Application(started.sidecar.address);
    const xid = freshBranch(coordinator);
    application.stream.pause();
    application.stream.write({
      calls: Array.from({ length: 60 }, (_, index) => ({
        id: index + 1,
        execute: { ...ref(xid), sql: 'bytes 2500000', statement: index + 1 },
      })),
    });
    using other = new Application(started.sidecar.address);
    await eventually('all have arrived', async () => {
      const { message } = await other.refusal({ ...ref(xid), sql: 'get a', statement: 99 });
      return message.includes('the newest is 60');
    });
    await other.execute({ ...ref(xid), sql: 'get a', statement: 61 }); // Behind all of them.
    application.stream.resume();
    await eventually('the stream ends', () => application.streamError);
    expect(application.streamError?.details).toContain('does not read');
    expect(application.replies.length).toBeLessThan(60);
  });

  it('a frame of too many calls ends the stream and no other', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator);
    await started.sidecar.ready;
    using application = new Application(started.sidecar.address);
    application.stream.write({ calls: Array.from({ length: 201 }, (_, id) => ({ id })) });
    await eventually('the stream ends', () => application.streamError);
    expect(application.streamError?.details).toContain('201 calls');
    await application.execute({ ...ref(freshBranch(coordinator)), sql: 'set a 1', statement: 1 });
  });

  it('its half closed, the stream ends after the answers it owes', async () => {
    await using coordinator = await startAttachCoordinator();
    const engine = new MemoryEngine('half');
    await using started = await startSidecar(coordinator, { engine: memory(engine) });
    await started.sidecar.ready;
    const session = await coordinator.attached();
    using application = new Application(started.sidecar.address);
    const xid = freshBranch(coordinator);
    application.stream.write({ calls: [{ id: 1, execute: { ...ref(xid), sql: 'hang', statement: 1 } }] });
    application.stream.end();
    await session.hears('opened');
    expect(application.streamEnded).toBe(false);
    engine.endSessions('enough');
    expect((await application.reply(1)).error?.reason).toBe('ENGINE_UNAVAILABLE');
    await eventually('the stream ends', () => application.streamEnded);
  });
});
