// The world around the coordinator, one state at a time: a copy of a state is changed by one action, and judged.
import { openTransaction } from '../../src/coordinator/engine/state.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { call, forgetCall } from './calls.ts';
import type { Configuration } from './configuration.ts';
import { Coordinators, type StateFacts } from './coordinators.ts';
import { Entrances, type Standing } from './entrances.ts';
import { Events } from './events.ts';
import { Heed } from './heed.ts';
import { answerProblem, type Known, stateProblem, stepProblem } from './judges.ts';
import {
  COORDINATOR,
  type Field,
  FLAGS,
  Flag,
  get,
  LOG,
  Local,
  type Opening,
  placeOf,
  SECOND_SEAT,
  set,
  wordsOf,
} from './layout.ts';
import { CALL_BITS } from './mail.ts';
import { branchOf, GTRID } from './names.ts';
import type { Protocol } from './protocol.ts';
import type { Reaction } from './reactions.ts';
import { Logs } from './records.ts';
import { Site } from './site.ts';
import { forgetEnd, noteTold } from './telling.ts';

const NOT_HEARD = [Local.heard, Local.firstHeard, Local.secondHeard].reduce((mask, field) => set(mask, field, 0), -1);

export class World {
  readonly configuration: Configuration;
  readonly protocol: Protocol;
  readonly events: Events;
  readonly logs = new Logs();
  readonly coordinators: Coordinators;
  readonly entrances: Entrances;
  readonly site: Site;
  /** The state that is being made. */
  readonly words: Int32Array;
  /** What is wrong with the action that made it. */
  problem: string | undefined;
  readonly #heed: Heed;

  constructor(configuration: Configuration, protocol: Protocol) {
    const { branches } = configuration;
    this.configuration = configuration;
    this.protocol = protocol;
    this.events = new Events(branches, configuration.twoInstances);
    this.coordinators = new Coordinators(protocol, this.events, configuration);
    this.words = new Int32Array(wordsOf(branches, configuration.twoInstances));
    this.entrances = new Entrances({ protocol, events: this.events, logs: this.logs, coordinators: this.coordinators });
    this.site = new Site(configuration, protocol.participant);
    this.#heed = new Heed(this.coordinators, this.events);
  }

  /** A transaction that was begun, and nothing else. */
  begin(): void {
    this.words.fill(0);
    this.words[COORDINATOR] = this.coordinators.intern(openTransaction(GTRID));
    this.problem = undefined;
  }

  load(state: Int32Array): void {
    this.words.set(state);
    this.problem = undefined;
  }

  get coordinator(): number {
    return this.words[COORDINATOR] ?? 0;
  }

  get log(): number {
    return this.words[LOG] ?? 0;
  }

  setLog(log: number): void {
    this.words[LOG] = log;
  }

  standing(): Standing {
    return { life: this.flag(Flag.life), log: this.log, remembered: this.flag(Flag.remembered) };
  }

  flag(field: Field): number {
    return this.flagOf(this.words, field);
  }

  flagOf(words: Int32Array, field: Field): number {
    return get(words[FLAGS] ?? 0, field);
  }

  setFlag(field: Field, value: number): void {
    this.words[FLAGS] = set(this.words[FLAGS] ?? 0, field, value);
  }

  local(branch: number): number {
    return this.words[placeOf(branch)] ?? 0;
  }

  setLocal(branch: number, field: Field, value: number): void {
    this.words[placeOf(branch)] = set(this.local(branch), field, value);
  }

  /** The only branch has two instances of its participant at the same time. */
  get hasTwo(): boolean {
    return this.configuration.twoInstances;
  }

  /** The branch's site in the state that is being made, and which instance acts there; its `save` puts it back. */
  siteOf(branch: number, instance: Opening): Site {
    return this.site.load(this.words, branch, instance);
  }

  /** Hands a record to the log. */
  write(record: LogRecord): void {
    this.setLog(this.logs.append(this.log, record));
  }

  /** The message is on its way to the instance from now on; of one instance after another, to the one that lives. */
  send(branch: number, instance: number, mail: number): void {
    const place = (this.hasTwo && instance === 1 ? SECOND_SEAT : placeOf(branch)) + 1;
    this.words[place] = (this.words[place] ?? 0) | (1 << mail);
  }

  /** These messages were on a stream that has ended. */
  drop(branch: number, mail: number): void {
    const place = placeOf(branch) + 1;
    this.words[place] = (this.words[place] ?? 0) & ~mail;
  }

  known(): Known {
    return {
      words: this.words,
      branches: this.configuration.branches,
      coordinator: this.coordinators.facts(this.coordinator),
      log: this.logs.facts(this.log),
    };
  }

  /** Judged once for each state that was not reached before. */
  stateProblem(): string | undefined {
    return stateProblem(this.known());
  }

  fail(problem: string | undefined): void {
    this.problem ??= problem;
  }

  noteTold(): void {
    noteTold(this);
  }

  /** Whoever asks hears what is known of the transaction without its state. */
  get isLookedUp(): boolean {
    const { told, isPresumed } = this.coordinators.facts(this.coordinator);
    return this.coordinator === 0 || (isPresumed && told === Flag.toldRolledBack);
  }

  /** Brings an event to the coordinator. False: it changes nothing. */
  tell(event: number): boolean {
    const before = this.coordinators.facts(this.coordinator);
    const reaction =
      this.coordinator === 0
        ? this.entrances.admit(event, this.standing())
        : this.coordinators.react(this.coordinator, event);
    if (reaction.isNothing) {
      const problem = reaction.problem ?? reaction.doubt;
      this.fail(problem);
      return problem !== undefined;
    }
    this.fail(stepProblem(this.known(), before, reaction));
    this.#carryOut(before, reaction);
    return true;
  }

  /** The process is gone, and starts again with what the log holds: the first `kept` of its last writes among it. */
  restart(kept: number): void {
    this.setLog(this.logs.crashed(this.log, kept));
    this.words[COORDINATOR] = 0;
    this.setFlag(Flag.life, this.flag(Flag.life) + 1);
    // Streams end with the process. What a participant still reads of the old one, it may as well have read before.
    this.keepMail(() => 0);
    for (let branch = 0; branch < this.configuration.branches; branch += 1) {
      forgetCall(this, branch);
    }
    this.#forgetHeard();
    forgetEnd(this);
    const nothing = this.coordinators.facts(0);
    const reaction = this.entrances.recover(this.standing());
    this.fail(stepProblem(this.known(), nothing, reaction));
    this.#carryOut(nothing, reaction);
  }

  /** Only a planted bug goes on. */
  goOnAfterFailedForce(kept: number): boolean {
    const before = this.coordinators.facts(this.coordinator);
    const step = before.state === undefined ? undefined : this.protocol.forceFailed?.(before.state);
    if (step === undefined) {
      return false;
    }
    this.setLog(this.logs.crashed(this.log, kept));
    this.#carryOut(before, this.coordinators.enter(step));
    return true;
  }

  /** What participants had sent is heard or lost by now. */
  dropReports(): void {
    this.keepMail(() => CALL_BITS);
  }

  /** Reports that can never again make a difference in this life are as good as lost: states that differ in nothing else are one. */
  dropDeadReports(): void {
    const heeded = this.#heed.of(this.coordinator);
    this.keepMail((branch) => (heeded[branch] ?? -1) | CALL_BITS);
  }

  /** Only the messages with these bits are left, by branch. */
  keepMail(bits: (branch: number) => number): void {
    for (let branch = 0; branch < this.configuration.branches; branch += 1) {
      const place = placeOf(branch) + 1;
      this.words[place] = (this.words[place] ?? 0) & bits(branch);
    }
    if (this.hasTwo) {
      this.words[SECOND_SEAT + 1] = (this.words[SECOND_SEAT + 1] ?? 0) & bits(0);
    }
  }

  /** Takes over the coordinator's next state and does what it asks for. */
  #carryOut(before: StateFacts, reaction: Reaction): void {
    this.words[COORDINATOR] = reaction.next;
    for (const wanted of reaction.calls) {
      call(this, wanted);
    }
    for (const record of reaction.records) {
      this.write(record);
    }
    this.#leaveOnePhase(before);
    noteTold(this);
    this.#forgetHeard();
    this.fail(answerProblem(this.known(), reaction));
  }

  /** The one phase has an end: nobody waits for an answer any more. */
  #leaveOnePhase({ state }: StateFacts): void {
    if (state?.kind === 'one-phase' && this.coordinators.facts(this.coordinator).kind !== 'one-phase') {
      forgetCall(this, branchOf(state.branch.bqual));
    }
  }

  /** What was heard of matters until the decision only. */
  #forgetHeard(): void {
    const { kind } = this.coordinators.facts(this.coordinator);
    if (kind !== 'active' && kind !== 'preparing') {
      for (let branch = 0; branch < this.configuration.branches; branch += 1) {
        const place = placeOf(branch);
        this.words[place] = (this.words[place] ?? 0) & NOT_HEARD;
      }
    }
  }
}
