// A transaction whose statements are all known: they and the commit leave in one turn, and nothing waits for an answer on its way.
// What makes that safe is the participant's part: a one-shot branch votes yes only when its last statement, and all before it, are done.
import type { ExecuteRequest } from '../../gen/concordat/v1/ExecuteRequest.ts';
import { atMost, within } from '../../lib/wait.ts';
import { STATEMENTS_AHEAD_MAX } from '../../xa/limits.ts';
import { OVERDUE_GRACE_MS } from '../../xa/times.ts';
import type { Gtrid } from '../../xa/xid.ts';
import {
  type ConcordatError,
  inTransaction,
  ResultsLostError,
  StatementError,
  TransactionRolledBackError,
} from '../public/errors.ts';
import type { TransactionOptions } from '../public/options.ts';
import type { QueryResult } from '../public/resource.ts';
import type { CommitResult, OneShotStatement, TransactResult } from '../public/transaction.ts';
import type { LinkedTransaction } from '../session/coordinator-link.ts';
import type { Connection } from '../session/coordinator-session.ts';
import { type RefusedError, toClientError } from '../session/failures.ts';
import type { ClientParts } from './branches.ts';
import { commitTransaction, rollbackTransaction } from './ending.ts';
import { OneShotBranch, type OneShotPlacement } from './one-shot-branch.ts';
import { statementRequest } from './statement-request.ts';
import { Work } from './work.ts';

/** Answers leave a sidecar no later than its vote, but what the coordinator made of the votes may overtake them. */
const ANSWERS_WAIT_MS = 5_000;
/** The same for the words of a statement whose branch voted no because of it. */
const WORDS_WAIT_MS = 1_000;

/** What a statement hears whose branch is gone because of something else. */
const ECHOES: ReadonlySet<string> = new Set(['BRANCH_UNKNOWN', 'BRANCH_STATE']);

interface OneShotSettings {
  readonly parts: ClientParts;
  readonly connection: Connection;
  readonly gtrid: Gtrid;
  readonly statements: readonly OneShotStatement[];
  /** Of every resource that is named. */
  readonly placements: ReadonlyMap<string, OneShotPlacement>;
  readonly options: TransactionOptions;
  readonly onEnd: (ended: OneShot) => unknown;
}

/**
 * Where the branches would live. Undefined: the statements are better sent as in any other transaction. A single branch is committed in
 * one phase, which must not overtake its statements; a stream that nobody has answered on yet may take longer to connect than the
 * coordinator waits for a vote that it was promised; and a sidecar queues no more statements of a branch than that.
 */
export function placeOneShot(
  { session, links }: ClientParts,
  statements: readonly OneShotStatement[],
): ReadonlyMap<string, OneShotPlacement> | undefined {
  const counts = new Map<string, number>();
  for (const { resource } of statements) {
    counts.set(resource, (counts.get(resource) ?? 0) + 1);
  }
  const placements = new Map<string, OneShotPlacement>();
  for (const [resource, count] of counts) {
    const { address = '', instance = '' } = session.directory.get(resource) ?? {};
    const link = address === '' ? undefined : links.get(address);
    if (link?.answers === true && instance !== '' && count <= STATEMENTS_AHEAD_MAX) {
      placements.set(resource, { link, instance });
    }
  }
  return counts.size > 1 && placements.size === counts.size ? placements : undefined;
}

/** One attempt of `Concordat.transact`; `run` is called once. */
export class OneShot implements LinkedTransaction {
  readonly #settings: OneShotSettings;
  readonly #work: Work;
  readonly #statements: readonly { readonly branch: OneShotBranch; readonly request: ExecuteRequest }[];
  /** By statement; undefined: not answered, or not with a result. */
  readonly #results: (QueryResult | undefined)[];
  readonly #failures: StatementError[] = [];
  #answers: readonly Promise<QueryResult>[] = [];
  #refusedBegin: RefusedError | undefined;
  #rollback: Promise<void> | undefined;
  #ended: Promise<unknown> | undefined;

  /** @throws {TypeError} {RangeError} a statement cannot be sent; nothing was. */
  constructor(settings: OneShotSettings) {
    const { parts, gtrid, statements, placements, options } = settings;
    const branches = new Map(
      [...placements].map(([resource, placement]) => [resource, new OneShotBranch(resource, placement, options)]),
    );
    this.#settings = settings;
    this.#work = new Work(gtrid, parts.session.settings.clock, {});
    this.#results = statements.map(() => undefined);
    this.#statements = statements.flatMap(({ resource, sql, parameters = [], ...start }) => {
      const branch = branches.get(resource);
      const engine = parts.session.directory.get(resource)?.engine;
      const request = statementRequest(gtrid, { sql, parameters, engine });
      branch?.add(request, start);
      return branch === undefined ? [] : [{ branch, request }];
    });
    for (const branch of branches.values()) {
      this.#work.add(branch);
    }
  }

  /** Sends everything in this turn. @throws as `Concordat.transact`. */
  run(): Promise<TransactResult> {
    const result = this.#run();
    this.#ended = result.catch(() => undefined);
    return result;
  }

  /** Its commit is under way: its end is waited for. Never rejects. */
  async settle(): Promise<void> {
    await this.#ended;
  }

  onRefused(refusal: RefusedError): void {
    this.#refusedBegin = refusal;
  }

  /** The answer to the commit says it, too. */
  onEnded(): void {}

  /** The commit that was asked for hears it. */
  onLost(): void {}

  async #run(): Promise<TransactResult> {
    const { parts, connection, gtrid, options, onEnd } = this.#settings;
    const { link, welcome } = connection;
    const timeoutMs = Math.ceil(options.timeoutMs ?? 0);
    const beginId = link.begin(gtrid, timeoutMs, this);
    this.#work.limit(timeoutMs || welcome.defaultTimeoutMs, OVERDUE_GRACE_MS, () => undefined);
    try {
      this.#send();
      const commit = await commitTransaction({
        ...parts,
        ...{ link, gtrid, work: this.#work, signal: options.signal },
        acknowledgement: options.acknowledgement ?? 'applied',
        refusedBegin: () => this.#refusedBegin,
      });
      return { ...commit, gtrid, results: await this.#allResults(commit) };
    } catch (error) {
      throw inTransaction(gtrid, error instanceof TransactionRolledBackError ? await this.#cause(error) : error);
    } finally {
      this.#work.finish(() => undefined);
      link.release(gtrid, beginId);
      onEnd(this);
    }
  }

  #send(): void {
    const timeoutMs = this.#work.remainingMs;
    this.#answers = this.#statements.map(({ branch, request }, index) => {
      const answer = branch.execute(request, timeoutMs);
      answer.then(
        (result) => {
          this.#results[index] = result;
        },
        (error: unknown) => this.#failed(error),
      );
      return answer;
    });
  }

  #failed(error: unknown): void {
    if (!(error instanceof StatementError)) {
      return; // It was done; only its answer cannot be read.
    }
    this.#failures.push(error);
    if (error.code !== 'CONNECTION_LOST') {
      // Mostly its branch has voted no. A branch that the participant would not open casts no vote, and nobody should wait for one.
      const { parts, connection } = this.#settings;
      this.#rollback ??= rollbackTransaction(parts.session, connection.link, this.#work, 'a statement failed');
    }
  }

  /** @throws {ResultsLostError} */
  async #allResults({ applied }: CommitResult): Promise<readonly QueryResult[]> {
    const { parts, gtrid, options } = this.#settings;
    const bounds = { clock: parts.session.settings.clock, timeoutMs: ANSWERS_WAIT_MS, signal: options.signal };
    try {
      await within(Promise.allSettled(this.#answers), bounds, () => new Error('a sidecar did not answer in time'));
      return await Promise.all(this.#answers);
    } catch (cause) {
      throw new ResultsLostError(gtrid, { results: [...this.#results], applied, cause });
    }
  }

  /** Why it was rolled back: the words of the statement that failed, where one did. */
  async #cause(rolledBack: TransactionRolledBackError): Promise<ConcordatError> {
    if (rolledBack.code === 'BRANCH_VOTED_NO') {
      const named = new Set(rolledBack.branches.map(({ bqual }) => bqual));
      const answers = this.#answers.filter((_, index) => named.has(this.#statements[index]?.request.bqual ?? ''));
      const { clock } = this.#settings.parts.session.settings;
      await atMost(Promise.allSettled(answers), { clock, timeoutMs: WORDS_WAIT_MS });
    }
    const own = this.#failures.find(({ code }) => !ECHOES.has(code));
    if (own !== undefined || rolledBack.code !== 'TXN_ROLLED_BACK') {
      return own ?? rolledBack;
    }
    return (this.#refusedBegin && toClientError(this.#refusedBegin)) ?? this.#failures[0] ?? rolledBack;
  }
}
