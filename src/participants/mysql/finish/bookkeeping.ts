// What the adapter keeps in its own tables: who the database is, the epochs of logs, evidence rows and their removal.
import { assert } from '../../../lib/assert.ts';
import { systemRandom } from '../../../lib/random.ts';
import { type EvidenceRow, parseRow } from '../../../xa/evidence.ts';
import { ROWS_FORGOTTEN_MAX, ROWS_TOLD_MAX } from '../../../xa/limits.ts';
import { EPOCH_LEAP_MAX, type LogIdentity, parseLogIdentity } from '../../../xa/xid.ts';
import { EngineError, type EngineIdentity, type KnownLog, type RecordedLife } from '../../resource-manager.ts';
import { type Engine, engineKind } from '../protocol/engine.ts';
import { ERRNO } from '../protocol/errors.ts';
import { identityText } from '../session/identity.ts';
import {
  EPOCH_TABLE,
  IDENTITY_TABLE,
  LATER_COLUMNS,
  PARTICIPANT_TABLE,
  printSql,
  tableNames,
  tableStatements,
} from '../sql/tables.ts';
import {
  BRANCH_TABLE,
  behindCondition,
  hex,
  identityCondition,
  type MarkerKey,
  markersCondition,
  quoteIdentifier,
} from '../sql/texts.ts';
import type { ControlSessions } from './control.ts';

/** @throws {EngineError} */
export async function readEngine(control: ControlSessions): Promise<Engine> {
  const [rows] = await control.rows('SELECT VERSION(),DATABASE()');
  const [version, database] = (rows?.[0] ?? []).map((cell) => cell?.toString('utf8'));
  assert(version !== undefined && database !== undefined, 'the connection names a database');
  return { kind: engineKind(version), version, database };
}

/** Gives MariaDB its identity where it has none. @throws {EngineError} */
export async function identify(control: ControlSessions, engine: Engine): Promise<EngineIdentity> {
  if (engine.kind === 'mariadb') {
    await giveIdentity(control, engine);
  }
  const { kind, version } = engine;
  return { engine: kind, version, identity: await oneText(control, identityText(kind)) };
}

async function giveIdentity(control: ControlSessions, engine: Engine): Promise<void> {
  if ((await missingTables(control, engine)).includes(IDENTITY_TABLE)) {
    await createTables(control, engine);
  }
  const [rows] = await control.rows(`SELECT 1 FROM ${table(engine, IDENTITY_TABLE)}`);
  if (rows?.length === 0) {
    // Two participants may start at once: the first row stays, and both read it.
    await control.rows(
      `INSERT IGNORE INTO ${table(engine, IDENTITY_TABLE)} (only_row,identity) VALUES (1,'${systemRandom.base32(20)}')`,
    );
  }
}

async function oneText(control: ControlSessions, sql: string): Promise<string> {
  const [rows] = await control.rows(sql);
  const cell = rows?.[0]?.[0];
  assert(cell !== undefined && cell !== null, `one row is answered to: ${sql}`);
  return cell.toString('utf8');
}

/** @throws {EngineError} */
export async function missingTables(control: ControlSessions, engine: Engine): Promise<readonly string[]> {
  const names = tableNames(engine.kind);
  const quoted = names.map((name) => `'${name}'`).join(',');
  const [rows] = await control.rows(
    `SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME IN (${quoted})`,
  );
  const present = (rows ?? []).map(([name]) => name?.toString('utf8'));
  return names.filter((name) => !present.includes(name));
}

/** The statements that bring tables of older versions up to date; none where they are, or are missing. @throws {EngineError} */
export async function missingColumns(control: ControlSessions): Promise<readonly string[]> {
  const quoted = LATER_COLUMNS.map(({ table }) => `'${table}'`).join(',');
  const [rows = []] = await control.rows(
    `SELECT TABLE_NAME,COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME IN (${quoted})`,
  );
  const present = rows.map(([name, column]) => `${name?.toString('utf8')}.${column?.toString('utf8')}`);
  const exists = (table: string): boolean => present.some((name) => name.startsWith(`${table}.`));
  return LATER_COLUMNS.filter(({ table, column }) => exists(table) && !present.includes(`${table}.${column}`)).map(
    ({ add }) => add,
  );
}

/** @throws {EngineError} PREFLIGHT_FAILED: the account may not; the message carries the statements. */
export async function createTables(control: ControlSessions, engine: Engine): Promise<void> {
  const missing = (await missingTables(control, engine)).length === 0 ? [] : tableStatements(engine.kind);
  for (const statement of [...missing, ...(await missingColumns(control))]) {
    const error = await control.refusal(statement);
    // Two participants may start at once: what the other one has added is there.
    if (error !== undefined && error.errno !== ERRNO.duplicateColumn) {
      const message = `${error.message}. Let someone who may run:\n${missing.length > 0 ? printSql(engine.kind) : statement}`;
      const { sqlstate, errno } = error;
      throw new EngineError(
        { code: 'PREFLIGHT_FAILED', message, sqlstate, errno, retryable: false },
        { sessionLost: false },
      );
    }
  }
}

/** @throws {EngineError} */
export async function raiseEpoch(
  control: ControlSessions,
  engine: Engine,
  identity: LogIdentity,
  epoch: number,
  token: string,
  previous: RecordedLife | undefined,
): Promise<RecordedLife> {
  assert(Number.isSafeInteger(epoch) && epoch >= 0, 'an epoch is a counted number');
  assert(/^[a-z0-9]{0,16}$/.test(token), 'a token needs no quoting');
  const isFirst = epoch <= EPOCH_LEAP_MAX && (previous?.epoch ?? 0) === 0;
  const asSeen = previous === undefined ? '' : ` AND epoch=${previous.epoch} AND token=${hex(previous.token)}`;
  const name = table(engine, EPOCH_TABLE);
  // Each statement is judged on the row as it is when it is locked: of two lives that come at once one is second.
  const answer = await control.rows(
    `INSERT IGNORE INTO ${name} (identity,epoch,token) SELECT '${identity}',${epoch},'${token}' FROM DUAL WHERE ${isFirst ? 1 : 0};` +
      `UPDATE ${name} SET token='${token}',epoch=${epoch} WHERE identity='${identity}' AND epoch<${epoch} AND epoch+${EPOCH_LEAP_MAX}>=${epoch}${asSeen};` +
      `SELECT epoch,token FROM ${name} WHERE identity='${identity}'`,
  );
  const [known, itsToken] = answer[2]?.[0] ?? [];
  return { epoch: Number(known?.toString('latin1') ?? 0), token: itsToken?.toString('latin1') ?? '' };
}

/** @throws {EngineError} */
export async function knownLogs(control: ControlSessions, engine: Engine): Promise<readonly KnownLog[]> {
  const [rows = []] = await control.rows(
    `SELECT identity,epoch,token FROM ${table(engine, EPOCH_TABLE)} ORDER BY identity`,
  );
  return rows.flatMap(([text, epoch, token]) => {
    const identity = parseLogIdentity(text?.toString('latin1') ?? '');
    return identity === undefined
      ? []
      : [{ identity, epoch: Number(epoch?.toString('latin1')), token: token?.toString('latin1') ?? '' }];
  });
}

/**
 * Who ends sessions of other accounts: of these an empty text is noted. What is had by a role is not seen, and the account is noted then.
 */
const ACCOUNT = `IF((SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES
  WHERE PRIVILEGE_TYPE IN ('SUPER','CONNECTION_ADMIN','CONNECTION ADMIN')
  AND GRANTEE=CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(),'@',1)),'@',QUOTE(SUBSTRING_INDEX(CURRENT_USER(),'@',-1))))>0,'',CURRENT_USER())`;

/** @param finishesOthers what applications prepare on their own connections is finished by it if they die. @throws {EngineError} */
export async function showToken(
  control: ControlSessions,
  engine: Engine,
  {
    instance,
    token,
    finishesOthers,
  }: { readonly instance: string; readonly token: string; readonly finishesOthers: boolean },
): Promise<void> {
  const name = table(engine, PARTICIPANT_TABLE);
  const row = `${hex(instance)},${hex(token)},${finishesOthers ? ACCOUNT : 'NULL'},CURRENT_TIMESTAMP`;
  await control.rows(
    `REPLACE INTO ${name} (instance,token,account,at) VALUES (${row});` +
      `DELETE FROM ${name} WHERE at<CURRENT_TIMESTAMP - INTERVAL 1 DAY`,
  );
}

/** @throws {EngineError} */
export async function readToken(
  control: ControlSessions,
  engine: Engine,
  instance: string,
): Promise<string | undefined> {
  const name = table(engine, PARTICIPANT_TABLE);
  const [rows] = await control.rows(`SELECT token FROM ${name} WHERE instance=${hex(instance)}`);
  return rows?.[0]?.[0]?.toString('latin1');
}

/** A part of the evidence rows, in the order of their keys, and the key that it ends with; undefined: it reaches the end. */
interface MarkersPart {
  readonly rows: readonly EvidenceRow[];
  readonly end: MarkerKey | undefined;
}

/** @param after where the last part ended. @throws {EngineError} */
export async function markers(
  control: ControlSessions,
  engine: Engine,
  identity: LogIdentity,
  after: MarkerKey | undefined,
): Promise<MarkersPart> {
  const conditions = [identityCondition(identity), ...(after === undefined ? [] : [behindCondition(after)])];
  const [rows = []] = await control.rows(
    `SELECT gtrid,bqual,opening FROM ${table(engine, BRANCH_TABLE)} WHERE ${conditions.join(' AND ')} ` +
      `ORDER BY gtrid,bqual LIMIT ${ROWS_TOLD_MAX}`,
  );
  const keys = rows.flatMap(([gtrid, bqual, opening]) =>
    gtrid && bqual && opening ? [{ gtrid, bqual, opening }] : [],
  );
  return {
    rows: keys.flatMap(({ gtrid, bqual, opening }) => {
      return parseRow([gtrid, bqual, opening].map((part) => part.toString('latin1')).join(':')) ?? [];
    }),
    end: rows.length < ROWS_TOLD_MAX ? undefined : keys.at(-1),
  };
}

/** @throws {EngineError} */
export async function forget(control: ControlSessions, engine: Engine, rows: readonly EvidenceRow[]): Promise<void> {
  for (let start = 0; start < rows.length; start += ROWS_FORGOTTEN_MAX) {
    const condition = markersCondition(rows.slice(start, start + ROWS_FORGOTTEN_MAX));
    // By the key, even where a scan looks cheaper: a scan would wait for the rows of branches that are prepared.
    const from = `${table(engine, BRANCH_TABLE)} b FORCE INDEX (PRIMARY)`;
    await control.rows(`DELETE b FROM ${from} WHERE ${condition}`);
  }
}

function table(engine: Engine, name: string): string {
  return `${quoteIdentifier(engine.database)}.${name}`;
}
