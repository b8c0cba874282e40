// Evidence rows, scans and probes: what the engine keeps and shows, for the coordinator and for operators.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { type EvidenceRow, formatRow, newOpening } from '../../src/xa/evidence.ts';
import { formatXid, type LogIdentity, type Xid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { identityOf } from './attach-coordinator.ts';
import { ManualClock } from './manual-clock.ts';
import { type Fixture, openFixture, ref, statement } from './runtime-fixture.ts';

/** Prepares a branch behind the participant's back, as another life or an application would have. */
function leavePrepared(fixture: Fixture, xid: Xid): void {
  const { engine } = fixture;
  const session = { tag: 'elsewhere', ended: () => undefined };
  const transaction = engine.begin(session, { isolation: 'default', readOnly: false });
  engine.write(transaction, formatXid(xid), { kind: 'int', value: 1n });
  engine.prepare(transaction, formatRow({ ...xid, opening: newOpening(systemRandom) }), fixture.clock.now());
}

const rowOf = (xid: Xid): EvidenceRow => ({ ...xid, opening: newOpening(systemRandom) });
const key = (row: EvidenceRow) => ({ ...ref(row), evidence: { row: row.opening } });

describe('evidence rows', () => {
  interface Rows {
    found: EvidenceRow[];
    readonly forgotten: EvidenceRow[][];
    failing: boolean;
  }

  function withRows(rows: Rows): (rm: ResourceManager) => ResourceManager {
    return (rm) =>
      new Proxy(rm, {
        get(target, name) {
          if (name === 'markers') {
            return async (identity: LogIdentity) => rows.found.filter(({ gtrid }) => gtrid.startsWith(identity));
          }
          if (name === 'forget') {
            return async (forgotten: EvidenceRow[]) => {
              rows.forgotten.push(forgotten);
              if (rows.failing) {
                throw new Error('no');
              }
            };
          }
          return Reflect.get(target, name).bind(target);
        },
      });
  }

  it('are told after ready and once a minute, without those of held branches and other resources', async () => {
    const clock = new ManualClock();
    const rows: Rows = { found: [], forgotten: [], failing: false };
    await using fixture = await openFixture({ clock, through: withRows(rows) });
    fixture.coordinator.heartbeatIntervalMs = 60_000;
    fixture.coordinator.reconcileIntervalMs = 30_000;
    rows.found = Array.from({ length: 501 }, () => rowOf(fixture.xid()));
    const { runtime, session } = await fixture.attach();
    const markers = (): string[] => session.heard('reconcile').flatMap((reconcile) => reconcile.markers);
    await eventually('all are told', () => markers().length === 501);
    expect(session.heard('reconcile').map((reconcile) => reconcile.markers.length)).toEqual([0, 500, 1]);
    const held = fixture.xid();
    await runtime.execute(statement(held, 1, 'set a 1', { timeoutMs: 3_600_000 }));
    const ended = rowOf(fixture.xid());
    const { opening } = fixture.openings.get(formatXid(held)) ?? ended;
    rows.found = [{ ...held, opening }, ended, rowOf(fixture.xid({ resource: 'orders' }))];
    clock.advance(30_000);
    await session.hears('reconcile', 4);
    await eventually('the next is due', () => clock.delays().includes(30_000));
    session.send({ heartbeat: {} });
    clock.advance(30_000);
    await eventually('they are told again', () => markers().length > 501);
    expect(markers().slice(501)).toEqual([formatRow(ended)]);
  });

  it('are deleted in batches when the coordinator says so, and a failure stops nothing', async () => {
    const clock = new ManualClock();
    const rows: Rows = { found: [], forgotten: [], failing: true };
    await using fixture = await openFixture({ clock, through: withRows(rows) });
    const { session } = await fixture.attach();
    const xids = Array.from({ length: 700 }, () => rowOf(fixture.xid()));
    const stranger = fixture.xid({ identity: identityOf('bcdefghijk') });
    session.send({ forget: { branches: [key(rowOf(stranger)), ...xids.slice(0, 300).map(key)] } });
    session.send({ forget: { branches: xids.slice(300).map(key) } });
    await eventually('the full batch goes at once', () => rows.forgotten.length === 1);
    expect(rows.forgotten[0]).toEqual(xids.slice(0, 500));
    await eventually('the failure is said', () => fixture.log.named('forget-failed').length === 1);
    rows.failing = false;
    clock.advance(1_000);
    await eventually('the rest goes a second later', () => rows.forgotten.length === 2);
    expect(rows.forgotten[1]).toEqual(xids.slice(500));
  });
});

describe('what operators ask', () => {
  it('a scan shows every branch with its age and whom it blocks, and what preflight finds now (faults F79)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [ours, waiting] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(ours, 1, 'set a 1', { last: true }));
    const stranger = fixture.xid({ identity: identityOf('bcdefghijk') });
    leavePrepared(fixture, stranger);
    const blocked = runtime.execute(statement(waiting, 1, 'set a 2')).catch(() => undefined);
    await eventually('it waits', () => fixture.calls.filter((verb) => verb === 'execute').length === 2);
    session.send({ scan: { id: 7 } });
    const result = await session.hears('scanResult');
    expect(result).toMatchObject({ id: 7, findings: [], error: null });
    expect(result.branches.map(({ gtrid, ours, blockedSessions }) => [gtrid, ours, blockedSessions])).toEqual([
      [ours.gtrid, true, 1],
      [stranger.gtrid, false, 0],
    ]);
    session.send({ finish: { ...ref(ours), verb: 'FINISH_VERB_ROLLBACK' } });
    await blocked;
  });

  it('a scan of an engine that is down says why', async () => {
    await using fixture = await openFixture();
    const { session } = await fixture.attach();
    fixture.engine.crash();
    session.send({ scan: { id: 8 } }, { probe: { id: 9, ...ref(fixture.xid()), evidence: null } });
    expect(await session.hears('scanResult')).toMatchObject({ id: 8, error: { code: 'ENGINE_UNAVAILABLE' } });
    expect(await session.hears('probeResult')).toMatchObject({
      id: 9,
      proof: 'BRANCH_PROOF_UNSPECIFIED',
      error: { code: 'ENGINE_UNAVAILABLE' },
    });
  });

  it('a probe of a branch at work says so without touching its session', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    session.send({ probe: { id: 3, ...ref(xid), evidence: null } });
    expect(await session.hears('probeResult')).toMatchObject({ id: 3, proof: 'BRANCH_PROOF_ACTIVE' });
    expect(fixture.calls).not.toContain('probe');
    await runtime.execute(statement(xid, 2, 'set a 2'));
  });

  it('a probe of any other branch says what the engine shows', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    const { evidence } = await session.hears('vote');
    session.send({ probe: { id: 4, ...ref(xid), evidence: null } });
    expect(await session.hears('probeResult')).toMatchObject({ proof: 'BRANCH_PROOF_PREPARED', evidence });
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT' } });
    await session.hears('result');
    session.send(
      { probe: { id: 5, ...ref(xid), evidence } },
      { probe: { id: 6, ...ref(fixture.xid()), evidence: null } },
    );
    expect((await session.hears('probeResult', 2)).proof).toBe('BRANCH_PROOF_COMMITTED');
    expect((await session.hears('probeResult', 3)).proof).toBe('BRANCH_PROOF_UNPROVEN');
  });
});
