// One phase: who is asked and who is told, when evidence is known and when not, and what becomes of it when the participant goes.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { embedded, openedAt, refs } from './opened.ts';
import { later, silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

describe('a commit', () => {
  it.each([
    ['in words of its own', 'onePhaseEvidence'],
    ['with the vote of its last statement, which the commit overtook', 'vote'],
  ] as const)('in one phase is asked of another instance with what will prove it, told %s', async (_, kind) => {
    await using system = await openSystem({ clock: new TestClock(20) });
    const holder = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(holder);
    void system.api.commit({ gtrid }).catch(() => undefined);
    const { bqual } = await holder.hears('finish');
    const evidence = { gtrid, bqual, evidence: { row: 'x77aaaaaaaaa' } };
    holder.send(kind === 'vote' ? { vote: { ...evidence, vote: 'VOTE_PREPARED' } } : { onePhaseEvidence: evidence });
    await eventually(
      'it is heard',
      async () => (await system.info(gtrid)).branches?.[0]?.evidence?.row === 'x77aaaaaaaaa',
    );
    holder.cut();
    await system.detached(holder);
    const other = await system.participant('orders', { finish: silent });
    expect(await other.hears('finish')).toMatchObject({
      ...{ gtrid, verb: 'FINISH_VERB_COMMIT_ONE_PHASE', evidence: { row: 'x77aaaaaaaaa' }, instance: holder.instance },
    });
  });

  it('in one phase ends in a rollback when its instance is gone before it was told', async () => {
    await using system = await openSystem();
    const sidecar = await system.participant('orders');
    const holder = await embedded(system, 'orders');
    const gtrid = await openedAt(system, holder);
    holder.cut();
    await system.detached(holder);
    const refused = await refusal(system.api.commit({ gtrid, branches: refs(holder) }));
    expect(refused).toMatchObject({
      code: 'BRANCH_VOTED_NO',
      metadata: { cause: 'BRANCH_UNKNOWN', retryable: 'true' },
    });
    expect(sidecar.told).toEqual([]);
  });

  it('in one phase that nobody could be told of ends in a rollback, not never', async () => {
    await using system = await openSystem({ clock: new TestClock(20) });
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    orders.cut();
    await system.detached(orders);
    const refused = await refusal(system.api.commit({ gtrid, branches: refs(orders) }));
    expect(refused).toMatchObject({ status: 10, metadata: { outcome: 'rolled-back', retryable: 'true' } });
    expect(await system.info(gtrid)).toMatchObject({ outcome: 'OUTCOME_ROLLED_BACK' });
    const back = await system.participant('orders');
    back.send({ reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: { row: 'x3aaaaaaaaaa' } }] } });
    await back.hears('finish');
    expect(back.told).toEqual(['rollback orders']);
  });

  it('in one phase is told to who announced its evidence, with it, and again when it is announced again', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(orders);
    void system.api.commit({ gtrid }).catch(() => undefined);
    const { bqual } = await orders.hears('finish');
    orders.send({ onePhaseEvidence: { gtrid, bqual, evidence: { row: 'x77aaaaaaaaa' } } });
    await orders.hears('finish', 2);
    orders.send({ onePhaseEvidence: { gtrid, bqual, evidence: { row: 'x77aaaaaaaaa' } } });
    await orders.hears('finish', 3);
    expect(orders.heard('finish').map(({ evidence }) => evidence)).toMatchObject([
      null,
      { row: 'x77aaaaaaaaa' },
      { row: 'x77aaaaaaaaa' },
    ]);
  });

  it('in one phase is committed by what was announced first, whatever its participant announces once it was told (D3)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(orders);
    void system.api.commit({ gtrid }).catch(() => undefined);
    const { bqual } = await orders.hears('finish');
    for (const [row, count] of [
      ['aaaaaaaaaaaa', 2],
      ['bbbbbbbbbbbb', 2],
      ['aaaaaaaaaaaa', 3],
    ] as const) {
      orders.send({ onePhaseEvidence: { gtrid, bqual, evidence: { row } } });
      await orders.hears('finish', count);
    }
    expect(orders.heard('finish').map(({ evidence }) => evidence)).toMatchObject([
      null,
      { row: 'aaaaaaaaaaaa' },
      { row: 'aaaaaaaaaaaa' },
    ]);
  });

  it('in one phase ends in a rollback when its instance dies before it has announced its evidence (conformance F3)', async () => {
    await using system = await openSystem();
    const sidecar = await system.participant('orders');
    const holder = await embedded(system, 'orders', { finish: silent });
    const gtrid = await openedAt(system, holder);
    const committed = refusal(system.api.commit({ gtrid, branches: refs(holder) }));
    await holder.hears('finish');
    holder.cut();
    expect(await committed).toMatchObject({
      code: 'BRANCH_VOTED_NO',
      metadata: { cause: 'BRANCH_UNKNOWN', retryable: 'true' },
    });
    expect(sidecar.told).toEqual([]);
  });

  it('in one phase whose evidence is announced when its transaction is over already is rolled back, so that its locks go', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const holder = await embedded(system, 'orders', { finish: silent });
    const gtrid = await openedAt(system, holder);
    const committed = refusal(system.api.commit({ gtrid, branches: refs(holder) }));
    await holder.hears('finish');
    holder.cut();
    expect((await committed).code).toBe('BRANCH_VOTED_NO');
    const back = await embedded(system, 'orders', { finish: silent });
    back.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: { row: 'xddaaaaaaaaa' } } });
    await back.hears('finish');
    expect(back.told).toEqual(['rollback orders']);
  });

  it('in one phase of a branch whose holder nobody knew is told to the holder as soon as that says so, and to nobody else', async () => {
    await using system = await openSystem();
    const holder = await system.participant('orders', { finish: silent });
    const asked = await system.participant('orders', { hello: { instance: 'two' }, finish: silent });
    const { gtrid } = await system.api.begin({});
    const unknown = refs(holder).map((branch) => ({ ...branch, instance: '' }));
    const outcome = system.api.commit({ gtrid, branches: unknown });
    await asked.hears('finish');
    holder.send({ opened: { gtrid, bqual: 'orders' } });
    await holder.hears('finish');
    asked.send({ vote: { gtrid, bqual: 'orders', vote: 'VOTE_ROLLBACK' } });
    holder.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: { row: 'u3c6vm5xdfpa' } } });
    const { evidence, instance, verb } = await holder.hears('finish', 2);
    expect([evidence, instance]).toMatchObject([{ row: 'u3c6vm5xdfpa' }, holder.instance]);
    holder.send({ result: { gtrid, bqual: 'orders', verb, result: 'FINISH_RESULT_DONE' } });
    expect((await outcome).outcome).toBe('OUTCOME_COMMITTED');
    expect(asked.heard('finish')).toHaveLength(1);
  });

  it('in one phase of a branch whose holder nobody knew is told to who announces its evidence', async () => {
    await using system = await openSystem();
    const holder = await system.participant('orders', { finish: silent });
    const asked = await system.participant('orders', { hello: { instance: 'two' }, finish: silent });
    const { gtrid } = await system.api.begin({});
    const unknown = refs(holder).map((branch) => ({ ...branch, instance: '' }));
    void system.api.commit({ gtrid, branches: unknown }).catch(() => undefined);
    await asked.hears('finish');
    holder.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: { row: 'u3c6vm5xdfpa' } } });
    expect(await holder.hears('finish')).toMatchObject({
      evidence: { row: 'u3c6vm5xdfpa' },
      instance: holder.instance,
    });
    expect(asked.heard('finish')).toHaveLength(1);
  });

  it('in one phase that was told once is never presumed, however long the participant is away', async () => {
    await using system = await openSystem({ clock: new TestClock(20) });
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(orders);
    const committed = refusal(system.api.commit({ gtrid }));
    const { bqual } = await orders.hears('finish');
    orders.send({ onePhaseEvidence: { gtrid, bqual, evidence: { row: 'x77aaaaaaaaa' } } });
    await orders.hears('finish', 2);
    orders.cut();
    expect((await committed).code).toBe('OUTCOME_UNKNOWN');
    await later(1_000, undefined);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_UNSPECIFIED');
    await system.participant('orders');
    await eventually('its engine tells', async () => (await system.info(gtrid)).outcome === 'OUTCOME_COMMITTED');
  });

  it('in one phase is asked of the sidecar when its instance may have done it before it was gone', async () => {
    await using system = await openSystem();
    const sidecar = await system.participant('orders');
    const holder = await embedded(system, 'orders', { finish: silent });
    const gtrid = await openedAt(system, holder);
    const committed = system.api.commit({ gtrid, branches: refs(holder) });
    await holder.hears('finish');
    holder.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: { row: 'xddaaaaaaaaa' } } });
    await eventually(
      'the evidence is in',
      async () => (await system.info(gtrid)).branches[0]?.evidence?.row === 'xddaaaaaaaaa',
    );
    holder.cut();
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(sidecar.told).toEqual(['commit_one_phase orders']);
  });

  it('in one phase that was answered with "unknown" is asked of the sidecar, and never taken for one that nobody was told', async () => {
    await using system = await openSystem();
    const sidecar = await system.participant('orders');
    const holder = await embedded(system, 'orders', { finish: silent });
    const gtrid = await openedAt(system, holder);
    const committed = system.api.commit({ gtrid, branches: refs(holder) });
    await holder.hears('finish');
    holder.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: { row: 'xddaaaaaaaaa' } } });
    await holder.hears('finish', 2);
    const verb = 'FINISH_VERB_COMMIT_ONE_PHASE';
    holder.send({ result: { gtrid, bqual: 'orders', verb, result: 'FINISH_RESULT_UNKNOWN' } });
    await eventually('the answer is in', async () => (await system.info(gtrid)).branches[0]?.attempts === 1);
    holder.cut();
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(sidecar.told).toEqual(['commit_one_phase orders']);
  });
});
