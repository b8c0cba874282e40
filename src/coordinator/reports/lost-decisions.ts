// Transactions whose decision this log has lost: their prepared branches are kept, and settled by a person's word alone (D7, D8).
import type { Log } from '../../log/log.ts';
import type { LogRecord } from '../../log/record.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { type Gtrid, gtridParts } from '../../xa/xid.ts';
import type { Driver } from '../driver/driver.ts';
import type { Resolution } from '../engine/operator.ts';
import { orphan, recovered } from '../engine/recovered.ts';
import type { Quarantine } from './quarantine.ts';

interface LostDecisionsParts {
  readonly driver: Driver;
  readonly log: Log;
  readonly quarantine: Quarantine;
}

/** A person's word on a transaction that the log has lost. */
type Word = Extract<Resolution, { kind: 'rollback' | 'commit' }>;

export class LostDecisions {
  readonly #parts: LostDecisionsParts;

  constructor(parts: LostDecisionsParts) {
    this.#parts = parts;
  }

  /** What was said of a transaction of a life that this log lacks in part; undefined: nothing. */
  wordOn(gtrid: Gtrid): Word['kind'] | undefined {
    const { log } = this.#parts;
    if (gtridParts(gtrid).epoch > (log.recovered.lostTo ?? -1)) {
      return undefined;
    }
    const said = log.history(gtrid).flatMap((record) => (record.kind === 'operator-action' ? [record.action] : []));
    return said.findLast((action) => action === 'commit' || action === 'rollback');
  }

  /** @returns the effects, one sentence each. @throws {CoordinatorError} TXN_STATE */
  judge(gtrid: Gtrid, resolution: Resolution): { readonly word: Word; readonly effects: readonly string[] } {
    const { log } = this.#parts;
    if (resolution.kind !== 'rollback' && resolution.kind !== 'commit') {
      throw new CoordinatorError(
        'TXN_STATE',
        `the decision on ${gtrid} is not in this log: it is settled as a whole, with --commit or --rollback`,
      );
    }
    if (gtridParts(gtrid).epoch > log.recovered.epoch) {
      throw new CoordinatorError(
        'TXN_STATE',
        `${gtrid} is of a newer epoch than this log knows: this is not its log. Find the right one`,
      );
    }
    const verb = resolution.kind === 'commit' ? 'commit' : 'roll back';
    const effects = [
      `the decision on ${gtrid} is not in this log: on your word it is taken as ${resolution.kind === 'commit' ? 'committed' : 'rolled back'}`,
      ...this.#parts.quarantine.of(gtrid).map(({ bqual }) => `${verb} the prepared branch ${bqual}`),
      `${verb} every other branch of it that turns up later. What its other databases show now should agree: look first`,
    ];
    return { word: resolution, effects };
  }

  /** The records of a word, to be written together with the action that says whose it is. */
  records(gtrid: Gtrid, { kind }: Word, requestId: string): readonly LogRecord[] {
    const branches = this.#parts.quarantine.of(gtrid).map(({ bqual, evidence }) => ({ bqual, evidence }));
    return kind === 'commit' ? [{ kind: 'decided', gtrid, branches, requestId }] : [];
  }

  /** The records are durable: what was kept is finished through the same door as everything else. */
  release(gtrid: Gtrid, { kind }: Word, records: readonly LogRecord[]): void {
    const { driver, quarantine } = this.#parts;
    const branches = quarantine.of(gtrid);
    for (const branch of branches) {
      quarantine.remove(branch);
    }
    const step = kind === 'commit' ? recovered(gtrid, records) : undefined;
    if (step !== undefined) {
      driver.admit(gtrid, step.state, { effects: step.effects }).operatorAction = true;
      return;
    }
    const [first, ...others] = branches;
    if (first !== undefined) {
      const { state, effects } = orphan(gtrid, first.bqual, first.instance, first.evidence);
      const transaction = driver.admit(gtrid, state, { effects, presumed: true });
      transaction.operatorAction = true;
      for (const { bqual, instance, evidence } of others) {
        driver.apply(transaction, { kind: 'branch-found', bqual, instance, evidence });
      }
    }
  }
}
