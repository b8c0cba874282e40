// The worker thread of a log: it reads the file at the start, and writes it while the disk is slow. No decisions are made here.
import { parentPort, workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { assert, unreachable } from '../../../lib/assert.ts';
import { systemClock } from '../../../lib/system-clock.ts';
import { openWriter } from '../file/connection.ts';
import { createLog } from '../file/create.ts';
import { upgradeLog } from '../file/schema.ts';
import type { Writer } from '../file/writer.ts';
import { createWriter } from '../file/writer.ts';
import { inspectLog } from '../history/inspect.ts';
import type { WorkerAnswer, WorkerData, WorkerRequest, WorkerResult } from './worker-protocol.ts';

const { files, walPagesMax } = workerData as WorkerData;
let open: { readonly db: Database.Database; readonly writer: Writer } | undefined;

async function perform(request: WorkerRequest): Promise<WorkerResult> {
  switch (request.kind) {
    case 'create':
      await createLog(files, request.identity);
      return { kind: 'done', micros: 0 };
    case 'inspect':
      return inspectLog(files.log, request.options);
    case 'open': {
      const db = openWriter(files.log, walPagesMax);
      upgradeLog(db);
      open = { db, writer: createWriter(db, systemClock) };
      return { kind: 'done', micros: 0 };
    }
    case 'work':
      assert(open !== undefined, 'the worker writes to a log that it has not opened');
      return { kind: 'done', micros: open.writer.perform(request.work) };
    case 'close':
      open?.db.close();
      open = undefined;
      return { kind: 'done', micros: 0 };
    default:
      return unreachable(request);
  }
}

assert(parentPort !== null, 'the flush worker is not a program');
const port = parentPort;
port.on('message', (message: { readonly id: number; readonly request: WorkerRequest }) => {
  const answer = (result: WorkerResult): void => port.postMessage({ id: message.id, result } satisfies WorkerAnswer);
  perform(message.request).then(answer, (error: unknown) => {
    // Codes of SQLite and the file system are properties, which a cloned error loses.
    const { code } = error as { readonly code?: unknown };
    answer({ kind: 'failed', message: String(error), code: typeof code === 'string' ? code : '' });
  });
});
