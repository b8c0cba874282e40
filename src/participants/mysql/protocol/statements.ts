// The prepared statements of one connection: each text is prepared once and executed in one round trip from then on.
import { assert } from '../../../lib/assert.ts';
import type { CommandRequest, Result, ResultList } from './exchange.ts';
import { closeFrame, prepareFrame } from './frames.ts';
import type { Wire } from './wire.ts';

/** The server's own limit is 16,382 over all its connections. */
const STATEMENTS_MAX = 100;
/** Longer texts are rarely sent twice, and would only push the short ones out. */
const CACHED_CHARS_MAX = 8_192;
/** Prepared again with each reset, which drops them all: about 30 µs of the server for each. */
const AGAIN_MAX = 8;

interface PreparedStatement {
  readonly id: number;
  readonly parameters: number;
}

type Preparation =
  | { readonly kind: 'prepared'; readonly statement: PreparedStatement }
  | Extract<Result, { kind: 'error' }>;

export class PreparedStatements {
  readonly #wire: Wire;
  /** Least recently used first. */
  readonly #cached = new Map<string, PreparedStatement>();
  #closing: CommandRequest[] = [];
  /** The texts of this branch, and of the next one most likely. */
  readonly #used = new Set<string>();

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** @throws {EngineError} the connection was lost. */
  async prepare(sql: string): Promise<Preparation> {
    const cached = this.#cached.get(sql);
    if (cached !== undefined) {
      this.#cached.delete(sql);
      this.#keep(sql, cached);
      return { kind: 'prepared', statement: cached };
    }
    const closing = this.takeClosing();
    const answers = await this.#wire.exchange([...closing, { frame: prepareFrame(sql), answer: 'prepared' }]);
    const result = answers[closing.length]?.[0];
    if (result?.kind === 'error') {
      return result;
    }
    assert(result?.kind === 'prepared', 'a prepare is answered with a statement or an error');
    const statement = { id: result.id, parameters: result.parameters };
    if (sql.length > CACHED_CHARS_MAX) {
      this.#close(statement);
    } else {
      this.#keep(sql, statement);
      this.#evict();
    }
    return { kind: 'prepared', statement };
  }

  /** Requests without an answer that free the server's memory: put them in front of any others. */
  takeClosing(): readonly CommandRequest[] {
    const closing = this.#closing;
    this.#closing = [];
    return closing;
  }

  /** The server is told to drop them all; what was used last is prepared again by the requests that this gives, for `again`. */
  reset(): { readonly texts: readonly string[]; readonly requests: readonly CommandRequest[] } {
    const texts = [...this.#used].slice(-AGAIN_MAX);
    this.#cached.clear();
    this.#used.clear();
    this.#closing = [];
    return { texts, requests: texts.map((sql) => ({ frame: prepareFrame(sql), answer: 'prepared' })) };
  }

  /** The answers to those requests. */
  again(texts: readonly string[], answers: readonly ResultList[]): void {
    for (const [i, sql] of texts.entries()) {
      const result = answers[i]?.[0];
      if (result?.kind === 'prepared') {
        this.#cached.set(sql, { id: result.id, parameters: result.parameters });
      }
    }
  }

  #keep(sql: string, statement: PreparedStatement): void {
    this.#cached.set(sql, statement);
    this.#used.add(sql);
  }

  #evict(): void {
    for (const [sql, statement] of this.#cached) {
      if (this.#cached.size <= STATEMENTS_MAX) {
        return;
      }
      this.#cached.delete(sql);
      this.#close(statement);
    }
  }

  #close(statement: PreparedStatement): void {
    this.#closing.push({ frame: closeFrame(statement.id), answer: 'none' });
  }
}
