// What an application's tests see of `concordat/testing`.

/** Which dialect the application's statements are in: what the client does with parameters depends on it. */
export type TestEngine = 'postgresql' | 'mysql' | 'mariadb';

/** What a statement answers. */
export interface TestAnswer {
  /** The columns are those of the first row. Values as the client gives them: a bigint, a Buffer, an object for JSON. */
  readonly rows?: readonly Readonly<Record<string, unknown>>[];
  /** As many as `rows` if not given. */
  readonly rowCount?: number;
  readonly insertId?: number | bigint;
}

/** A statement, a vote or a call that the database refuses, in its own words. */
export interface TestRefusal {
  readonly refused: string;
  readonly sqlstate?: string;
  readonly errno?: number;
  /** The same work may succeed another time, as after a deadlock. False if not given. */
  readonly retryable?: boolean;
}

export type TestReply = TestAnswer | TestRefusal;

/** The same each time, or made anew from the parameters. */
export type TestScript = TestReply | ((parameters: readonly unknown[], sql: string) => TestReply | Promise<TestReply>);

/** What the client or the coordinator may ask of a database. `commit` is also that of a branch which is alone. */
export type TestCall = 'statement' | 'prepare' | 'commit' | 'rollback';

export interface TestStatement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** A database in memory: it does what a real one does about branches, and answers statements as it is told to. */
export interface TestDatabase {
  /**
   * What statements answer that are this text, or match it. The newest that fits counts. A statement without an answer fails, and says so;
   * `once` and `lock` have theirs.
   */
  answer(statement: string | RegExp, script: TestScript): void;
  /** Statements that would change something, of committed transactions, in the order in which they were executed. */
  readonly committed: readonly TestStatement[];
  /** Branches that have promised, and wait for the decision. */
  readonly prepared: number;
  /** The next such call is refused: a statement fails, a prepare votes no. */
  refuse(call: TestCall, why?: TestRefusal): void;
  /** Of the next such call, the request or the answer is lost, and its session. The answer if not given. */
  lose(call: TestCall, what?: 'request' | 'answer'): void;
  /** The next such call takes so much longer, before the database acts. */
  delay(call: TestCall, milliseconds: number): void;
  /** Its sidecar goes away: the resource has no participant until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Between two tests: what is committed stays so, but is not shown any more; answers and troubles to come are forgotten. */
  clear(): void;
}

export interface TestOptions {
  /** The resources, by name. */
  readonly databases: Readonly<Record<string, TestEngine>>;
  /** Of transactions that do not say. 30,000 if not given. */
  readonly defaultTimeoutMs?: number;
}

/** A whole Concordat in this process, without a file or a database. */
export interface TestConcordat extends AsyncDisposable {
  /** Where the coordinator listens: give it to `connect`, or to the application under test. */
  readonly address: string;
  /** @throws {TypeError} there is none of that name. */
  database(name: string): TestDatabase;
  /** As a crash: open transactions are rolled back by the next start, decided ones are finished. */
  stopCoordinator(): Promise<void>;
  startCoordinator(): Promise<void>;
}
