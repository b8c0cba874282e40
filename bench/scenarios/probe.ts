// Somebody who updates one row of a database again and again, past Concordat: when the database does not answer, it is told here. A
// thread of its own, so that it does not wait when the bench's own event loop does.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { nowMs, type Span, STALL_MS } from './stalls.ts';

const PAUSE_MS = 20;

export interface Probe extends AsyncDisposable {
  /** The updates that took too long so far. */
  readonly spans: readonly Span[];
}

/** Resolves when it has begun. @throws {Error} the database refuses. */
export async function openProbe({ engine, url }: EngineServer): Promise<Probe> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { engine, url } });
  const spans: Span[] = [];
  const { promise: begun, resolve, reject } = Promise.withResolvers<void>();
  worker.on('message', (message: 'begun' | Span) => (message === 'begun' ? resolve() : spans.push(message)));
  worker.once('error', reject);
  await begun;
  return {
    spans,
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}

if (!isMainThread) {
  const { engine, url } = workerData as Pick<EngineServer, 'engine' | 'url'>;
  const run = engine === 'postgresql' ? await openPostgres(url) : await openMysql(url);
  await run('create table bench_probe (id int primary key, n bigint not null)');
  await run('insert into bench_probe values (1, 0)');
  parentPort?.postMessage('begun');
  for (;;) {
    const from = nowMs();
    await run('update bench_probe set n = n + 1 where id = 1');
    const to = nowMs();
    if (to - from > STALL_MS) {
      parentPort?.postMessage({ from, to } satisfies Span);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function openPostgres(url: string): Promise<(sql: string) => Promise<unknown>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return (sql) => client.query(sql);
}

async function openMysql(url: string): Promise<(sql: string) => Promise<unknown>> {
  const connection = await mysql.createConnection({ uri: url });
  return (sql) => connection.query(sql);
}
