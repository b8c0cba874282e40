// One branch while it is being changed: its participant, its engine and its messages, unpacked from the two words.
import type { Configuration } from './configuration.ts';
import type { Participant } from './honesty.ts';
import { type Field, FLAGS, Flag, get, isByHand, Local, OPENINGS, type Opening, placeOf, set, Work } from './layout.ts';
import { REPORT } from './mail.ts';
import { type BranchFacts, Participants } from './participants.ts';

/** What came of an action. */
interface Made {
  readonly before: number;
  readonly local: number;
  readonly added: number;
  readonly dropped: number;
  readonly problem: string | undefined;
  readonly isDone: boolean;
}

/** What an engine has to say of an end. */
export type Proof = 'committed' | 'rolled-back' | 'none';

export class Site {
  local = 0;
  mail = 0;
  /** The coordinator's life: what a participant reports that has not attached to it is heard by nobody. */
  life = 0;
  /** The client has asked for a commit. */
  isAsked = false;
  readonly sweeps: boolean;
  /** A first statement may be repeated although it was answered. */
  readonly repeats: boolean;

  /** The last answer of the engine does not arrive. */
  isUnheard = false;
  /** What is wrong with what has just happened. */
  problem: string | undefined;

  readonly participant: Participant;
  readonly participants: Participants;
  /** Which moves are possible, by life and whether the client has asked, and then by `local`. */
  readonly possible: Map<number, number>[] = [];
  /** What came of an action, by action, life and whether the client has asked, and then by `local`. */
  readonly #made: Map<number, Made>[] = [];
  /** Messages that are as good as lost by what has just happened. */
  #dropped = 0;

  constructor(configuration: Configuration, participant: Participant) {
    this.sweeps = configuration.sweeps;
    this.repeats = configuration.repeats;
    this.participant = participant;
    this.participants = new Participants(participant.step);
  }

  load(words: Int32Array, branch: number): this {
    const place = placeOf(branch);
    const flags = words[FLAGS] ?? 0;
    this.local = words[place] ?? 0;
    this.mail = words[place + 1] ?? 0;
    this.life = get(flags, Flag.life);
    this.isAsked = get(flags, Flag.commitSent) === 1;
    return this;
  }

  save(words: Int32Array, branch: number): void {
    const place = placeOf(branch);
    words[place] = this.local;
    words[place + 1] = this.mail;
  }

  /**
   * Carries out an action that looks at nothing but `local`, `life` and `isAsked`, once for each of their values; again from memory.
   * @param action a number of its own. @returns what `make` returned.
   */
  once(action: number, make: (site: Site) => boolean): boolean {
    const when = (action << 3) | (this.life << 1) | (this.isAsked ? 1 : 0);
    const known = this.#made[when] ?? new Map<number, Made>();
    this.#made[when] = known;
    let made = known.get(this.local);
    if (made === undefined) {
      made = this.#make(make);
      known.set(made.before, made);
    }
    this.local = made.local;
    this.mail = (this.mail & ~made.dropped) | made.added;
    this.problem = made.problem;
    return made.isDone;
  }

  #make(make: (site: Site) => boolean): Made {
    const { local: before, mail } = this;
    this.mail = 0;
    this.#dropped = 0;
    this.problem = undefined;
    const isDone = make(this);
    const { local, mail: added, problem } = this;
    this.mail = mail;
    return { before, local, added, dropped: this.#dropped, problem, isDone };
  }

  fail(problem: string | undefined): void {
    this.problem ??= problem;
  }

  /** Messages of this kind were on a stream that is gone. */
  drop(mail: number): void {
    this.#dropped |= mail;
    this.mail &= ~mail;
  }

  get(field: Field): number {
    return get(this.local, field);
  }

  set(field: Field, value: number): void {
    this.local = set(this.local, field, value);
  }

  get held(): number {
    return get(this.local, Local.held);
  }

  set held(number: number) {
    this.set(Local.held, number);
  }

  get facts(): BranchFacts {
    return this.participants.facts(this.held);
  }

  /** The instance that lives now, and the opening that it may have made. */
  get instance(): Opening {
    return get(this.local, Local.instance) === 0 ? 0 : 1;
  }

  get isAttached(): boolean {
    return get(this.local, Local.attached) === this.life;
  }

  work(opening: Opening): number {
    return get(this.local, opening === 0 ? Local.first : Local.second);
  }

  setWork(opening: Opening, work: number): void {
    this.set(opening === 0 ? Local.first : Local.second, work);
  }

  hasWork(work: number): boolean {
    return this.work(0) === work || this.work(1) === work;
  }

  isByHand(opening: Opening): boolean {
    return isByHand(this.local, opening);
  }

  /** A prepared opening, of one or of both. */
  get prepared(): Opening | undefined {
    return this.preparedBy(0)[0];
  }

  /** The openings that evidence speaks of; 0: there is none, so that every opening of the name is meant. */
  meant(evidence: number): readonly Opening[] {
    return evidence === 0 ? OPENINGS : evidence === 1 ? [0] : [1];
  }

  preparedBy(evidence: number): readonly Opening[] {
    return this.meant(evidence).filter((opening) => this.work(opening) === Work.prepared);
  }

  /** The participant holds the branch as prepared, and nothing runs. */
  get isPrepared(): boolean {
    const { isPrepared, runs } = this.facts;
    return isPrepared && runs === undefined;
  }

  /** Its engine keeps a row that proves a commit, which is swept. */
  get sweptRow(): Opening | undefined {
    return this.sweeps ? OPENINGS.find((opening) => this.hasRow(opening)) : undefined;
  }

  hasRow(opening: Opening): boolean {
    return this.work(opening) === Work.committed && this.get(Local.markerGone) === 0;
  }

  /** Tells the coordinator, if there is a stream to it. */
  report(message: number): void {
    if (this.isAttached) {
      this.mail |= 1 << message;
    }
  }

  reportOpened(): void {
    this.report(REPORT.opened[this.instance]);
  }

  vote(vote: 'no' | 'readOnly'): void {
    this.report(REPORT[vote][this.instance]);
  }

  /** Votes yes, or reports as found, what the engine holds of an opening. */
  tell(what: 'yes' | 'found', opening: Opening): void {
    this.report(REPORT[what][this.instance][opening]);
  }

  /** Says what will prove the commit in one phase of the branch that it holds. */
  announce(): void {
    this.report(REPORT.evidence[this.instance]);
  }

  /** The evidence that a participant has of a branch that it holds prepared, where the coordinator sends none. */
  ownEvidence(): number {
    return this.isPrepared ? this.heldEvidence : 0;
  }

  /** What proves the end of its own opening. */
  get heldEvidence(): number {
    return this.instance === 0 ? 1 : 2;
  }

  /** Sessions that serve nobody any more are ended, and what they had not finished is gone. */
  fence(evidence: number): void {
    for (const opening of this.meant(evidence)) {
      const work = this.work(opening);
      if (work === Work.stray || work === Work.strayCommit) {
        this.setWork(opening, Work.rolledBack);
      }
    }
  }

  /** What the engine proves of the branch by `evidence`; 0: there is none. */
  proof(evidence: number): Proof {
    if (this.get(Local.evidenceLost) === 1) {
      return 'none';
    }
    if (this.meant(evidence).some((opening) => this.hasRow(opening))) {
      return 'committed';
    }
    if (evidence === 0) {
      return 'none';
    }
    const work = this.work(evidence === 1 ? 0 : 1);
    return work === Work.committed || work === Work.rolledBack ? 'rolled-back' : 'none';
  }
}
