// An application's own connections to the databases: enlisted in one transaction after the other, opened anew when they broke.
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import type { EnlistedConnection, Parameter, Transaction } from '../../src/client/index.ts';
import type { SideName } from './sides.ts';
import { placeholders } from './transfer.ts';

interface Own {
  readonly connection: object;
  run(sql: string, parameters: readonly Parameter[]): Promise<readonly object[]>;
  end(): void;
}

const CONNECT_MS = 2_000;
/** A read past Concordat must not wait for a partition. */
const READ_MS = 2_000;

export class OwnConnections {
  readonly #urls: Readonly<Record<string, string>>;
  readonly #open = new Map<SideName, Own>();

  constructor(urls: Readonly<Record<string, string>>) {
    this.#urls = urls;
  }

  async enlist(tx: Transaction, side: SideName): Promise<EnlistedConnection> {
    const { connection } = await this.#at(side);
    return tx.enlist(side, connection);
  }

  async execute(side: SideName, sql: string, parameters: readonly Parameter[]): Promise<void> {
    await (await this.#at(side)).run(placeholders(side, sql), parameters);
  }

  /** Whether the entry can be read there; undefined when the database does not answer. */
  async sees(side: SideName, id: string): Promise<boolean | undefined> {
    const read = async (): Promise<boolean> => {
      const own = await this.#at(side);
      return (await own.run(placeholders(side, 'select n from chaos_entry where id = ?'), [id])).length > 0;
    };
    const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), READ_MS).unref());
    return await Promise.race([read().catch(() => undefined), late]);
  }

  /** They may be broken, or in the middle of something: the next transaction gets new ones. */
  discard(): void {
    for (const own of this.#open.values()) {
      own.end();
    }
    this.#open.clear();
  }

  async #at(side: SideName): Promise<Own> {
    const known = this.#open.get(side);
    if (known !== undefined) {
      return known;
    }
    const url = this.#urls[side] ?? '';
    const own = side === 'postgresql' ? await openPostgres(url) : await openMysql(url);
    this.#open.set(side, own);
    return own;
  }
}

async function openPostgres(url: string): Promise<Own> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
  client.on('error', () => {
    // The next statement reports it.
  });
  await client.connect();
  return {
    connection: client,
    run: async (sql, parameters) => (await client.query(sql, [...parameters])).rows,
    end: () => void client.end().catch(() => undefined),
  };
}

async function openMysql(url: string): Promise<Own> {
  const connection: Connection = await createConnection({
    uri: url,
    connectTimeout: CONNECT_MS,
    multipleStatements: true,
  });
  connection.on('error', () => {
    // The next statement reports it.
  });
  return {
    connection,
    run: async (sql, parameters) => {
      const [rows] = await connection.query<RowDataPacket[]>(sql, [...parameters]);
      return Array.isArray(rows) ? rows : [];
    },
    end: () => connection.destroy(),
  };
}
