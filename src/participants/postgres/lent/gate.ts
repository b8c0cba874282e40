// What a lent pg client really sends: every message of a query passes here, whichever way the application asked for it, as a text, a
// named statement, a cursor or a COPY. `driver-insides.ts` says what is used of the driver.
import type { DepthStep, Translation } from '../../lent/own-control.ts';
import { POSTGRES_REFUSAL, RefusedStatement } from '../../lent/refused-statement.ts';
import type { PgClient, PgProtocol } from '../protocol/driver-insides.ts';
import { translatePostgres } from './control.ts';

/** What a gate tells of the application's statements. */
interface GateListener {
  /** A statement was refused, and to go on to a commit without it would be wrong. */
  onDoomed(why: string): void;
  /** Every text that goes out. */
  onText(sql: string): void;
  /** For as long as this answers something, every statement of the application is refused with it. */
  closed(): string | undefined;
}

const METHODS = ['query', 'parse', 'bind', 'describe', 'execute', 'flush', 'close', 'sync'] as const;
type Method = (typeof METHODS)[number];
type Methods = Record<Method, (message?: never) => void>;

export class PgGate {
  readonly #client: PgClient;
  readonly #protocol: PgProtocol;
  readonly #listener: GateListener;
  readonly #send: Readonly<Methods>;
  #isOurs = false;
  #depth = 0;
  /** Of the query that is being answered: how each of its statements that succeeds changes the depth. */
  #steps: DepthStep[] = [];
  /** The query that is being sent is refused: nothing of it goes out, and this is its answer. */
  #refusal: RefusedStatement | undefined;
  #isAnswered = false;
  /** The named statement that is being prepared: pg notes its text only afterwards. */
  #named: { readonly name: string; readonly text: string } | undefined;
  /** Named statements that pg believes to be prepared on the server, and that were replaced. */
  readonly #ghosts = new Set<string>();

  /** Stands in the client's way until `remove`. */
  constructor(client: PgClient, listener: GateListener) {
    this.#client = client;
    this.#protocol = client.connection;
    this.#listener = listener;
    const own = this.#protocol as unknown as Methods;
    this.#send = Object.fromEntries(METHODS.map((name) => [name, own[name].bind(own)])) as Methods;
    const gate = {
      query: (text: string) => this.#query(text),
      parse: (message: ParseMessage) => this.#parse(message),
      bind: (message: BindMessage) => this.#bind(message),
      describe: (message: never) => this.#pass('describe', message),
      execute: (message: never) => this.#pass('execute', message),
      close: (message: never) => this.#pass('close', message),
      flush: () => this.#barrier('flush'),
      sync: () => this.#barrier('sync'),
    };
    Object.assign(own, gate);
    // Ahead of the client, which sends the next query of its queue as soon as it hears that the last one is over.
    this.#protocol.prependListener('commandComplete', this.#onComplete);
    this.#protocol.prependListener('readyForQuery', this.#onReady);
  }

  /** How many transactions of the application's own are open. */
  get depth(): number {
    return this.#depth;
  }

  /** What `send` sends in this turn is not the application's. */
  asOurs<T>(send: () => T): T {
    this.#isOurs = true;
    try {
      return send();
    } finally {
      this.#isOurs = false;
    }
  }

  remove(): void {
    const own = this.#protocol as unknown as Partial<Methods>;
    for (const name of METHODS) {
      delete own[name];
    }
    for (const name of this.#ghosts) {
      delete this.#protocol.parsedStatements[name];
    }
    this.#protocol.off('commandComplete', this.#onComplete);
    this.#protocol.off('readyForQuery', this.#onReady);
  }

  #query(text: string): void {
    const sql = this.#isOurs ? text : this.#judge(this.#translate(text, 'simple'), text);
    if (sql === undefined) {
      this.#answerRefusal(true);
    } else {
      this.#send.query(sql as never);
    }
  }

  #parse(message: ParseMessage): void {
    const { text, name } = message;
    this.#named = name ? { name, text } : undefined;
    const translation = this.#isOurs ? undefined : this.#translate(text, 'extended');
    if (translation?.kind === 'replaced' && name) {
      this.#ghosts.add(name); // Only its execution shows what it has to be this time.
      return;
    }
    const sql = translation === undefined ? text : this.#judge(translation, text);
    if (sql !== undefined) {
      this.#send.parse({ ...message, text: sql } as never);
    }
  }

  #bind(message: BindMessage): void {
    const name = message.statement;
    const text = name ? this.#textOf(name) : undefined;
    if (this.#isOurs || this.#refusal !== undefined || text === undefined) {
      this.#pass('bind', message as never);
      return;
    }
    const translation = this.#translate(text, 'extended');
    const sql = this.#judge(translation, text);
    if (translation.kind === 'replaced' && sql !== undefined) {
      this.#send.parse({ text: sql, name: '' } as never);
      this.#send.bind({ ...message, statement: '' } as never);
    } else {
      this.#pass('bind', message as never);
    }
  }

  #textOf(name: string): string | undefined {
    return this.#named?.name === name ? this.#named.text : this.#protocol.parsedStatements[name];
  }

  #translate(text: unknown, form: 'simple' | 'extended'): Translation {
    const why = this.#listener.closed();
    if (why !== undefined) {
      return { kind: 'refused', why, dooms: false };
    }
    const sql = typeof text === 'string' ? text : '';
    this.#listener.onText(sql);
    return translatePostgres(sql, form, this.#depth);
  }

  /** What is to be sent; undefined: nothing. */
  #judge(translation: Translation, text: string): string | undefined {
    switch (translation.kind) {
      case 'same':
        return text;
      case 'replaced':
        this.#steps = [...translation.steps];
        return translation.sql;
      case 'refused':
        this.#refusal = new RefusedStatement(translation.why, POSTGRES_REFUSAL);
        if (translation.dooms) {
          this.#listener.onDoomed(translation.why);
        }
        return undefined;
    }
  }

  #pass(method: Method, message: never): void {
    if (this.#refusal === undefined) {
      this.#send[method](message);
    }
  }

  #barrier(method: 'flush' | 'sync'): void {
    if (this.#refusal === undefined) {
      this.#send[method]();
    } else {
      this.#answerRefusal(method === 'sync');
    }
  }

  /** In the server's place, and as late as the server would. `isEnd`: the client waits for nothing else. */
  #answerRefusal(isEnd: boolean): void {
    const error = this.#refusal;
    const isAnswered = this.#isAnswered;
    this.#isAnswered = !isEnd;
    this.#refusal = isEnd ? undefined : error;
    process.nextTick(() => {
      if (!isAnswered) {
        this.#emit('errorMessage', error);
      }
      if (isEnd) {
        this.#emit('readyForQuery', { name: 'readyForQuery', status: this.#client.getTransactionStatus?.() ?? 'T' });
      }
    });
  }

  #emit(event: string, message: unknown): void {
    // A client that has been cut off meanwhile has told its queries already.
    if (!this.#protocol.stream.destroyed) {
      this.#protocol.emit(event, message);
    }
  }

  readonly #onComplete = (): void => {
    this.#depth += this.#steps.shift() ?? 0;
  };

  readonly #onReady = (): void => {
    this.#steps = [];
  };
}

interface ParseMessage {
  readonly text: string;
  readonly name?: string;
}

interface BindMessage {
  readonly statement?: string;
}
