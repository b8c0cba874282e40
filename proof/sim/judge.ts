// The judges stand outside: they read the engines' rows and the log's records, and what clients were told, and trust nobody's word.
import type { State } from '../../src/coordinator/engine/state.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { formatEvidence, formatRow, parseRow, rowOf } from '../../src/xa/evidence.ts';
import { type Gtrid, gtridParts, resourceOf } from '../../src/xa/xid.ts';
import type { Attempt, Told } from './attempt.ts';
import { judgeEvidence } from './evidence-judge.ts';
import { HistoryJudge } from './history-judge.ts';
import { isFaultless } from './swarm.ts';
import type { System } from './system.ts';

export interface Violation {
  /** The invariant, or what else was judged. */
  readonly what: string;
  readonly details: string;
}

export class Judge {
  readonly violations: Violation[] = [];
  readonly #system: System;
  readonly #faultless: boolean;
  /** Every decision that was ever given to the log; the log itself forgets. */
  readonly #decided = new Set<string>();
  /** The openings that they name. */
  readonly #decidedRows = new Set<string>();
  readonly #damaged = new Set<string>();
  readonly #begun = new Set<string>();
  /** Branches that an engine has committed: what is opened again under such a name is other work, and goes. */
  readonly #committedAt = new Map<string, number>();
  readonly #history: HistoryJudge;

  constructor(system: System) {
    this.#system = system;
    this.#faultless = isFaultless(system.options);
    this.#history = new HistoryJudge(system, (what, details) => this.say(what, details));
    system.onTold = (attempt, told, applied) => this.#told(attempt, told, applied);
    system.coordinator.onAppend = (record) => this.#appended(record);
    judgeEvidence(system, this.#committedAt, (what, details) => this.say(what, details));
    system.coordinator.onBegun = (gtrid, epoch) => this.#begins(gtrid, epoch);
    for (const { parts } of system.sites) {
      parts.engine.onFinish = (id, verb) => this.#finished(parts.name, id, verb);
    }
  }

  say(what: string, details: string): void {
    this.violations.push({ what, details });
    this.#system.world.trace.say('judge', what, details);
  }

  /** After the last phase: everything has ended, and ended well. */
  end(): void {
    for (const attempt of this.#system.attempts.all) {
      this.#ends(attempt);
    }
    this.#nothingIsLeft();
    if (this.#faultless) {
      this.#forcedWrites();
      this.#committedAll();
    }
  }

  /** Why the system is not quiet yet; undefined: it is. */
  unrest(): string | undefined {
    const { coordinator, sites, idle } = this.#system;
    const { core } = coordinator;
    if (!idle || core === undefined) {
      return idle ? 'the coordinator does not serve' : 'a client is at work';
    }
    const [open] = core.transactions.all();
    if (open !== undefined) {
      return `${open.gtrid} is ${open.state.kind}: ${JSON.stringify(open.state)}`;
    }
    for (const { runtime, parts } of sites) {
      const [prepared] = parts.engine.prepared();
      if (prepared !== undefined) {
        return `${prepared.id} is prepared at ${parts.name}`;
      }
      if (runtime?.status.ready !== true || runtime.held > 0) {
        return `${parts.name} is not ready, or holds ${runtime?.held} branches`;
      }
    }
    return undefined;
  }

  #appended(record: LogRecord): void {
    this.#system.onCritical();
    const isWord = record.kind === 'life-refused' || record.kind === 'log-adopted';
    if (!isWord && this.#system.coordinator.core?.copy.refusal !== undefined) {
      this.say('D8', `a refused log records ${JSON.stringify(record)}`);
    }
    if (record.kind === 'decided') {
      if (this.#decided.has(record.gtrid)) {
        this.say('D2', `${record.gtrid} is decided a second time`);
      }
      this.#decided.add(record.gtrid);
      this.#history.decided(record.gtrid);
      for (const { bqual, evidence } of record.branches) {
        const row = rowOf({ gtrid: record.gtrid, bqual }, evidence);
        this.#decidedRows.add(row === undefined ? 'none' : formatRow(row));
      }
    } else if (record.kind === 'heuristic') {
      this.#damaged.add(record.gtrid);
      if (this.#system.attempts.get(record.gtrid)?.mayBeDamaged !== true) {
        this.say('D4', `damage is recorded, and nobody has meddled: ${JSON.stringify(record)}`);
      }
    }
  }

  /** D9: under an id something is begun once, and never in a later life. Whoever speaks of it late does not begin it again. */
  #begins(gtrid: string, epoch: number): void {
    if (this.#begun.has(gtrid) || gtridParts(gtrid as Gtrid).epoch !== epoch) {
      this.say('D9', `${gtrid} is begun in epoch ${epoch}, and was begun before`);
    }
    if (this.#system.coordinator.core?.copy.refusal !== undefined) {
      this.say('D8', `${gtrid} is begun by a refused log`);
    }
    this.#begun.add(gtrid);
  }

  /** D1: at the moment in which an engine commits for us, the decision is on the disk. */
  #finished(site: string, id: string, verb: 'commit' | 'rollback' | 'one-phase'): void {
    this.#system.onCritical();
    const gtrid = parseRow(id)?.gtrid ?? '';
    const attempt = this.#system.attempts.get(gtrid);
    if (attempt === undefined) {
      this.say('D8', `${site}: ${id} is not of any client`);
      return;
    }
    const isDecided = this.#isDurable(gtrid);
    if (verb === 'commit' && !isDecided && !attempt.isOnePhase) {
      this.say('D1', `${site} commits ${id}, and no decision is on the disk`);
    } else if (verb === 'commit' && isDecided && !this.#decidedRows.has(id) && !attempt.meddled) {
      this.say('D3', `${site} commits ${id}, and another opening of it is decided`);
    } else if (verb === 'one-phase' && !attempt.isOnePhase) {
      this.say('D3', `${site} commits ${id} in one phase, and it has ${attempt.branches.length} branches`);
    } else if (
      verb === 'rollback' &&
      isDecided &&
      this.#decidedRows.has(id) &&
      !this.#committedAt.has(id) &&
      !attempt.meddled
    ) {
      this.say('D2', `${site} rolls ${id} back, and it is decided`);
    } else if (verb === 'rollback' && this.#decidedRows.has(id) && attempt.lostAt.has(site) && !attempt.meddled) {
      this.#history.rolledBack(site, id);
    }
    if (verb !== 'rollback') {
      this.#committedAt.set(id, this.#system.world.now);
    }
    if (verb !== 'rollback' && !attempt.askedToCommit) {
      this.say('D3', `${site} commits ${id}, and its client never asked for it`);
    }
    if (verb !== 'rollback' && attempt.isRefused && !attempt.meddled) {
      this.say('D3', `${site} commits ${id}, and one of its statements was refused`);
    }
  }

  /** What a client hears must hold at that moment, where nobody is away. */
  #told(attempt: Attempt, told: Told, applied: boolean): void {
    if (told === 'committed' && applied && !attempt.meddled) {
      const isLie = this.#history.isLateLie(attempt);
      const missing = attempt.writes.find((write) => (isLie || !attempt.lostAt.has(write.site)) && !this.#has(write));
      if (missing !== undefined) {
        this.say('D5', `${attempt.gtrid} is told to be applied, and ${missing.key} is not at ${missing.site}`);
      }
    }
    if (told === 'active' && attempt.told.some((earlier) => earlier === 'committed' || earlier === 'rolled-back')) {
      this.say('I9', `${attempt.gtrid} is told to be ${attempt.told.join(', then ')}`);
    }
    if (told === 'rolled-back' && !attempt.meddled) {
      const present = attempt.writes.find((write) => this.#has(write));
      if (present !== undefined) {
        this.say('D5', `${attempt.gtrid} is told to be rolled back, and ${present.key} is at ${present.site}`);
      }
    }
  }

  /** Where nothing goes wrong and there is time, nothing that could commit is rolled back. */
  #committedAll(): void {
    const { raceShare, timeoutMs, openTransactionsMax, hotShare, maxBranches } = this.#system.shape;
    const { clients, concurrency, branchesMax } = this.#system.shape;
    const { all } = this.#system.attempts;
    const refused = all.find(
      ({ askedToCommit, isRefused, told }) => askedToCommit && !isRefused && !told.includes('committed'),
    );
    // Who queues for one row, or for a session, may wait for several of the others.
    const isQueueless = hotShare === 0 && maxBranches >= clients * concurrency * branchesMax;
    const isRoomy = timeoutMs[0] >= 10_000 && isQueueless && openTransactionsMax > this.#system.options.transactions;
    if (raceShare === 0 && isRoomy && refused !== undefined) {
      this.say('D3', `${refused.gtrid} was not committed, without a reason: told ${refused.told.join(', ')}`);
    }
  }

  #ends(attempt: Attempt): void {
    const { gtrid, writes, told, meddled, askedToCommit } = attempt;
    const present = writes.filter((write) => this.#has(write));
    const where = (some: Attempt['writes']): string => some.map(({ site, key }) => `${key}@${site}`).join(' ');
    const absent = writes.filter((write) => !present.includes(write) && !attempt.lostAt.has(write.site));
    const saw = `there: ${where(present)}; not there: ${where(absent)}; told: ${told.join(', ')}`;
    if (meddled) {
      // A hand in what was rolled back is noticed only by a coordinator that had heard of the vote and still lives.
      const isKnown = this.#isDurable(gtrid) && gtridParts(gtrid).epoch > this.#system.restoredEpoch;
      if (attempt.byHand && absent.length > 0 && isKnown && !this.#damaged.has(gtrid)) {
        this.say('D4', `${gtrid} is decided, a hand was in it, and no damage is in the log: ${saw}`);
      }
      return;
    }
    this.#history.ends(attempt, this.#damaged.has(gtrid), (id) => this.#decidedRows.has(id));
    if (present.length > 0 && absent.length > 0) {
      this.say('D4', `${gtrid} ended both ways: ${saw}`);
    }
    if (present.length > 0 && !askedToCommit) {
      this.say('D3', `${gtrid} is committed, and nobody asked for it: ${saw}`);
    }
    if (told.includes('committed') && absent.length > 0) {
      this.say('D5', `${gtrid} was told as committed: ${saw}`);
    }
    if (
      told.includes('rolled-back') &&
      (present.length > 0 || (told.includes('committed') && attempt.lostAt.size === 0))
    ) {
      this.say('D5', `${gtrid} was told as rolled back: ${saw}`);
    }
    if (!attempt.mayBeDamaged && (told.includes('mixed') || told.includes('hazard'))) {
      this.say('D4', `${gtrid} was told as ${told.join(', ')}, and nobody has meddled`);
    }
    if (absent.length > 0 && this.#isDurable(gtrid)) {
      this.say('D2', `${gtrid} is decided: ${saw}`);
    }
  }

  #nothingIsLeft(): void {
    const { coordinator, sites, attempts } = this.#system;
    const unrest = this.unrest();
    if (unrest !== undefined) {
      this.say('D12', unrest);
    }
    for (const { gtrid, state } of coordinator.core?.transactions.heuristic() ?? []) {
      const attempt = attempts.get(gtrid);
      if (attempt?.mayBeDamaged !== true) {
        this.say('D4', `${gtrid} is listed as heuristic, and nobody has meddled: ${JSON.stringify(state)}`);
      }
      this.#hazardIsTrue(gtrid, state, attempt);
    }
    for (const { parts } of sites) {
      const left = parts.engine.locks.waitersOf({ held: new Set(['hot']), waitsFor: undefined });
      if (left > 0) {
        this.say('D12', `${left} sessions wait for a lock at ${parts.name}`);
      }
    }
  }

  /** A hazard says that no engine proves the end: what one of them does prove must not have been missed. */
  #hazardIsTrue(gtrid: string, state: State, attempt: Attempt | undefined): void {
    if (state.kind !== 'completed' || state.outcome !== 'hazard' || attempt?.mayBeDamaged === true) {
      return;
    }
    for (const { bqual, evidence } of state.branches) {
      const engine = this.#system.sites.find(({ parts }) => parts.name === resourceOf(bqual))?.parts.engine;
      const row = rowOf({ gtrid: gtrid as Gtrid, bqual }, evidence);
      if (row !== undefined && (evidence.kind === 'row' || engine?.isCommitted(formatRow(row)))) {
        this.say(
          'D4',
          `${gtrid} is listed as a hazard, and the engine of ${bqual} proves its end by ${formatEvidence(evidence)}`,
        );
      }
    }
  }

  /** One for each decision, and none for anything else but the start and the resources. */
  #forcedWrites(): void {
    const { forced } = this.#system.coordinator;
    const expected = new Map([
      ['resource-registered', this.#system.shape.sites],
      ['decided', this.#decided.size],
    ]);
    for (const kind of new Set([...forced.keys(), ...expected.keys()])) {
      if ((forced.get(kind) ?? 0) !== (expected.get(kind) ?? 0)) {
        this.say('I7', `${forced.get(kind) ?? 0} forced records of kind ${kind}, not ${expected.get(kind) ?? 0}`);
      }
    }
  }

  #isDurable(gtrid: string): boolean {
    return this.#system.coordinator.durable.has(gtrid);
  }

  #has({ site, key }: { readonly site: string; readonly key: string }): boolean {
    const found = this.#system.sites.find(({ parts }) => parts.name === site);
    return found?.parts.engine.read(undefined, key) !== undefined;
  }
}
