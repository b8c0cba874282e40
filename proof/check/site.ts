// One branch while it is being changed: its participant, its engine and its messages, unpacked from its words.
import type { Configuration } from './configuration.ts';
import type { Participant } from './honesty.ts';
import {
  type Field,
  FLAGS,
  Flag,
  get,
  isByHand,
  Local,
  OPENINGS,
  type Opening,
  placeOf,
  SECOND_SEAT,
  Seat,
  set,
  Work,
} from './layout.ts';
import { REPORT } from './mail.ts';
import { type BranchFacts, Participants } from './participants.ts';

/** What came of an action. */
interface Made {
  readonly local: number;
  readonly seat: number;
  readonly added: number;
  readonly dropped: number;
  readonly problem: string | undefined;
  readonly isDone: boolean;
}

export class Site {
  local = 0;
  /** Where two instances live at the same time: `Seat`. */
  seat = 0;
  /** From and to the instance that acts. */
  mail = 0;
  /** The coordinator's life: what a participant reports that has not attached to it is heard by nobody. */
  life = 0;
  /** The client has asked for a commit. */
  isAsked = false;
  readonly hasTwo: boolean;
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
  /** Of two instances, the one that acts. */
  #acting: Opening = 0;

  constructor(configuration: Configuration, participant: Participant) {
    this.hasTwo = configuration.twoInstances;
    this.sweeps = configuration.sweeps;
    this.repeats = configuration.repeats;
    this.participant = participant;
    this.participants = new Participants(participant.step);
  }

  /** `instance`: the one that acts; where one follows the other, it is the one that lives. */
  load(words: Int32Array, branch: number, instance: Opening): this {
    const flags = words[FLAGS] ?? 0;
    this.#acting = instance;
    this.local = words[placeOf(branch)] ?? 0;
    this.seat = this.hasTwo ? (words[SECOND_SEAT] ?? 0) : 0;
    this.mail = words[this.#mailPlace(branch)] ?? 0;
    this.life = get(flags, Flag.life);
    this.isAsked = get(flags, Flag.commitSent) === 1;
    return this;
  }

  save(words: Int32Array, branch: number): void {
    words[placeOf(branch)] = this.local;
    words[this.#mailPlace(branch)] = this.mail;
    if (this.hasTwo) {
      words[SECOND_SEAT] = this.seat;
    }
  }

  #mailPlace(branch: number): number {
    return (this.hasTwo && this.#acting === 1 ? SECOND_SEAT : placeOf(branch)) + 1;
  }

  /** Everything that an action at the site looks at. */
  get key(): number {
    return (this.local >>> 0) + this.seat * 2 ** 32;
  }

  /** What else an action looks at: of few values, in 4 bits. */
  get circumstances(): number {
    return (this.life << 2) | (this.isAsked ? 2 : 0) | this.#acting;
  }

  /**
   * Carries out an action that looks at nothing but `key` and `circumstances`, once for each of their values; again from memory.
   * @param action a number of its own. @returns what `make` returned.
   */
  once(action: number, make: (site: Site) => boolean): boolean {
    const when = (action << 4) | this.circumstances;
    const known = this.#made[when] ?? new Map<number, Made>();
    this.#made[when] = known;
    const { key } = this;
    let made = known.get(key);
    if (made === undefined) {
      made = this.#make(make);
      known.set(key, made);
    }
    this.local = made.local;
    this.seat = made.seat;
    this.mail = (this.mail & ~made.dropped) | made.added;
    this.problem = made.problem;
    return made.isDone;
  }

  #make(make: (site: Site) => boolean): Made {
    const { mail } = this;
    this.mail = 0;
    this.#dropped = 0;
    this.problem = undefined;
    const isDone = make(this);
    const { local, seat, mail: added, problem } = this;
    this.mail = mail;
    return { local, seat, added, dropped: this.#dropped, problem, isDone };
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
    return this.#isSecond ? get(this.seat, Seat.held) : get(this.local, Local.held);
  }

  set held(number: number) {
    this.#setOwn(Local.held, Seat.held, number);
  }

  /** The life of the coordinator that the instance has attached to. */
  get attached(): number {
    return this.#isSecond ? get(this.seat, Seat.attached) : get(this.local, Local.attached);
  }

  set attached(life: number) {
    this.#setOwn(Local.attached, Seat.attached, life);
    this.isCut = false;
  }

  get #isSecond(): boolean {
    return this.hasTwo && this.#acting === 1;
  }

  #setOwn(first: Field, second: Field, value: number): void {
    if (this.#isSecond) {
      this.seat = set(this.seat, second, value);
    } else {
      this.set(first, value);
    }
  }

  get isCut(): boolean {
    return get(this.seat, Seat.cut[this.#acting]) === 1;
  }

  set isCut(isCut: boolean) {
    this.seat = set(this.seat, Seat.cut[this.#acting], isCut ? 1 : 0);
  }

  get isDead(): boolean {
    return get(this.seat, Seat.dead[this.#acting]) === 1;
  }

  get facts(): BranchFacts {
    return this.participants.facts(this.held);
  }

  /** The instance that acts, and the opening that it may have made. */
  get instance(): Opening {
    if (this.hasTwo) {
      return this.#acting;
    }
    return get(this.local, Local.instance) === 0 ? 0 : 1;
  }

  get isAttached(): boolean {
    return this.attached === this.life && !this.isCut && !this.isDead;
  }

  /** Kill -9. Where two live at the same time nobody follows it, otherwise another instance. */
  die(): void {
    this.held = 0;
    if (this.hasTwo) {
      this.seat = set(this.seat, Seat.dead[this.#acting], 1);
    } else {
      this.set(Local.instance, 1);
      this.attached = this.life;
    }
  }

  /** The session of its opening is there: nobody else's has ended it. */
  get hasSession(): boolean {
    return this.work(this.instance) === Work.active;
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
    const second = this.hasTwo && opening === 1 ? 1 : this.instance; // In the first instance's mail, too, `2 e2` is the second opening.
    this.report(REPORT[what][second][opening]);
  }

  /** Says what will prove the commit in one phase of the branch that it holds. */
  announce(): void {
    this.report(REPORT.evidence[this.instance]);
  }

  /** What proves the end of its own opening. */
  get heldEvidence(): number {
    return this.instance === 0 ? 1 : 2;
  }
}
