// A branch in the application's MySQL or MariaDB connection: the same as any other, and what the application needs of it besides.

import { type EvidenceRow, rowEvidence } from '../../../xa/evidence.ts';
import type { BranchProof, FinishResult, Reason } from '../../../xa/vocabulary.ts';
import type { ApplicationBranch, EndedOutside, LentSessionParts } from '../../lent/application-branch.ts';
import { MysqlBranch } from '../branch/branch.ts';
import { Pinned } from '../finish/pinned.ts';
import type { MysqlConnection } from '../protocol/driver.ts';
import type { Engine } from '../protocol/engine.ts';
import { refusedError, refusedReason } from '../protocol/errors.ts';
import { errorOf } from '../protocol/exchange.ts';
import { toServerError } from './connection.ts';
import { LentMysqlSession } from './session.ts';

export class MysqlApplicationBranch extends MysqlBranch implements ApplicationBranch {
  readonly #parts: LentSessionParts<MysqlConnection>;
  readonly #row: EvidenceRow;
  readonly #session: LentMysqlSession;
  readonly #pinned: Pinned;
  #outside: Promise<BranchProof> | undefined;

  /** @throws {TypeError} the connection is lent already. */
  constructor(parts: LentSessionParts<MysqlConnection>, engine: Engine) {
    const row = { ...parts.xid, opening: parts.options.opening };
    const session = new LentMysqlSession(parts, engine);
    const pinned = new Pinned();
    super(row, parts.options, {
      session,
      database: engine.database,
      pin: (prepared) => pinned.add(prepared, session),
      detached: () => undefined,
      ended: () => undefined,
    });
    this.#parts = parts;
    this.#row = row;
    this.#session = session;
    this.#pinned = pinned;
  }

  get released(): Promise<void> {
    return this.#session.released;
  }

  get unlocked(): Promise<void> {
    return Promise.all([this.#session.released, this.#session.unlocked]).then(() => undefined);
  }

  begin(): Promise<void> {
    return this.#session.begin();
  }

  /** A failed statement leaves the branch as it was before. */
  get failure(): undefined {
    return undefined;
  }

  get ownDepth(): number {
    return this.#session.loan.gate.depth;
  }

  /** Refused, too, where the server has rolled back everything: a deadlock leaves no savepoint. */
  async savepoint(texts: readonly string[]): Promise<void> {
    const error = errorOf(await this.#session.loan.ask(texts));
    if (error !== undefined) {
      throw refusedError(error);
    }
  }

  endWork(): void {
    this.#session.endWork();
  }

  /** MariaDB binds a prepared branch to its session; what MySQL prepares is given back at once. */
  letGo(): void {}

  reasonOf(error: object): Reason | undefined {
    const refused = toServerError(error);
    return refused === undefined ? undefined : refusedReason(refused);
  }

  finish(verb: 'commit' | 'rollback'): Promise<FinishResult | undefined> {
    return this.#pinned.finish(verb, this.#row);
  }

  async endedOutside(): Promise<EndedOutside | undefined> {
    const { options, tools } = this.#parts;
    if (!this.#session.mayHaveEnded || options.readOnly) {
      return undefined;
    }
    // Who is asked ends the session that holds the branch's lock: it is let go of first, and the application keeps its connection.
    await this.#session.unlocked;
    this.#outside ??= tools.probe(rowEvidence(options.opening)).catch(() => 'unproven' as const);
    const end = await this.#outside;
    if (end === 'rolled-back') {
      return undefined;
    }
    const [kind, how] =
      end === 'committed'
        ? (['committed', 'its evidence row is committed'] as const)
        : (['unproven', 'the engine cannot say how'] as const);
    return { kind, proof: `a statement of the application ended the branch, and ${how}` };
  }
}
