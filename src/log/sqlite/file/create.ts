// A new log file: built under another name and renamed, so that a crash never leaves half of one in its place.
import { rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import Database from 'better-sqlite3';
import type { LogIdentity } from '../../../xa/xid.ts';
import type { Life } from '../../chain.ts';
import { NO_HASH } from '../../chain.ts';
import type { LogFiles } from './files.ts';
import { ownFile, syncDirectory, syncFile } from './files.ts';
import { APPLICATION_ID, FORMAT_VERSION, INSERT_LIFE, lifeValues, TABLES } from './schema.ts';

function newLife(identity: LogIdentity): Life {
  return {
    identity,
    epoch: 0,
    nextEpoch: 1,
    anchorFrame: 0,
    anchorSequence: 0,
    anchorHash: NO_HASH,
    droppedSegment: 0,
    droppedHash: NO_HASH,
    newestSegment: 0,
    newestHash: NO_HASH,
    watermarkEpoch: 0,
    watermarkSequence: 0,
    lostTo: -1,
    token: '',
  };
}

/**
 * Makes `log.db` with an epoch of 0, durably. Blocks: it runs in the worker.
 *
 * While it is built nobody needs it, so that it is synced once, when it is whole, and not with each of its parts.
 * @throws what SQLite and the file system report.
 */
export async function createLog(files: LogFiles, identity: LogIdentity): Promise<void> {
  const building = `${files.log}.new`;
  for (const leftover of [building, `${building}-wal`, `${building}-shm`]) {
    rmSync(leftover, { force: true });
  }
  ownFile(building);
  const db = new Database(building);
  try {
    db.pragma('synchronous = OFF');
    db.pragma('journal_mode = MEMORY');
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${FORMAT_VERSION}`);
    db.transaction(() => {
      for (const table of Object.values(TABLES)) {
        db.exec(table);
      }
      db.prepare(INSERT_LIFE).run(...lifeValues(newLife(identity)));
    })();
    // Kept in the file: whoever opens it next finds a WAL database.
    db.pragma('journal_mode = WAL');
  } finally {
    db.close();
  }
  syncFile(building);
  await rename(building, files.log);
  await syncDirectory(files.directory);
}
