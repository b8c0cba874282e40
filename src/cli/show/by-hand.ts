// What a person may look at and finish at the database itself, when nobody is there who could be asked: the statements of each engine.
import { finishText } from '../../participants/mysql/sql/texts.ts';
import { gidLiteral, gidPrefix } from '../../participants/postgres/sql/gid.ts';
import { type EvidenceRow, parseOpening } from '../../xa/evidence.ts';
import { parseXid, type Xid } from '../../xa/xid.ts';
import type { BranchView, TransactionView } from './transaction-view.ts';

export interface ByHandView {
  readonly bqual: string;
  readonly resource: string;
  readonly engine: string;
  /** Reads only. */
  readonly look: readonly string[];
  /** Null: which opening of the branch is meant is not known; the look tells. */
  readonly commit: string | null;
  readonly rollback: string | null;
}

/** Undefined: an engine that has no statements for it. */
export function byHandOf(gtrid: string, branch: BranchView, engine: string): ByHandView | undefined {
  const xid = parseXid(`${gtrid}:${branch.bqual}`);
  if (xid === undefined) {
    return undefined;
  }
  const opening = parseOpening(branch.evidence?.replace(/^(row|opening):/, '') ?? '');
  const row = opening === undefined ? undefined : { ...xid, opening };
  const { bqual, resource } = branch;
  switch (engine) {
    case 'postgresql':
      return { bqual, resource, engine, ...atPostgres(xid, row) };
    case 'mysql':
    case 'mariadb':
      return { bqual, resource, engine, ...atMysql(xid, row, engine) };
    default:
      return undefined;
  }
}

type Statements = Pick<ByHandView, 'look' | 'commit' | 'rollback'>;

function atPostgres(xid: Xid, row: EvidenceRow | undefined): Statements {
  return {
    look: [
      // Not by LIKE, to which a dot is a dot and an underscore is not.
      `select gid, prepared, owner, database from pg_prepared_xacts where starts_with(gid, '${gidPrefix(xid)}');`,
      `select opening from concordat.branch where gtrid = '${xid.gtrid}' and bqual = '${xid.bqual}';`,
    ],
    commit: row === undefined ? null : `commit prepared ${gidLiteral(row)};`,
    rollback: row === undefined ? null : `rollback prepared ${gidLiteral(row)};`,
  };
}

function atMysql(xid: Xid, row: EvidenceRow | undefined, engine: 'mysql' | 'mariadb'): Statements {
  return {
    look: [
      engine === 'mysql' ? 'XA RECOVER CONVERT XID;' : "XA RECOVER FORMAT='SQL';",
      `SELECT opening FROM concordat_branch WHERE gtrid = '${xid.gtrid}' AND bqual = '${xid.bqual}';`,
    ],
    commit: row === undefined ? null : `${finishText('commit', row)};`,
    rollback: row === undefined ? null : `${finishText('rollback', row)};`,
  };
}

/** For each branch the look, what its answers mean, the statement that the decision allows, and what a person takes upon himself. */
export function renderByHand({ id, decision }: TransactionView, branches: readonly ByHandView[]): string {
  return branches.map((branch) => `${lines(id, decision, branch).join('\n')}\n`).join('\n');
}

function lines(id: string, decision: string | null, branch: ByHandView): readonly string[] {
  const { bqual, resource, engine, look } = branch;
  return [
    `By hand: ${bqual} at the ${engine} database of ${resource}, which nobody can ask`,
    '  Bring its sidecar back instead if you can: it does all of this by itself, and nothing is lost by waiting but locks.',
    '  Look:',
    ...look.map((statement) => `    ${statement}`),
    '  Listed as prepared: it holds its locks and waits for its end. A row with the opening: it is committed. Neither: it is not prepared there,',
    '  and not committed, as far as that database goes back.',
    ...finishing(id, decision, branch),
  ];
}

function finishing(id: string, decision: string | null, branch: ByHandView): readonly string[] {
  const { bqual, engine } = branch;
  if (decision === null) {
    return [
      '  Finish: not yet. Nothing is decided, and what you end by hand may contradict what is decided a moment later: mixed, for ever.',
      `    First decide: concordat tx resolve ${id} --rollback --reason '…'`,
    ];
  }
  const statement = decision === 'commit' ? branch.commit : branch.rollback;
  const owner =
    engine === 'mariadb'
      ? [
          '  MariaDB: while the session that prepared it lives, others are told XAER_NOTA. End that session first (KILL), then look again.',
        ]
      : [];
  return [
    `  Finish, only if it is listed as prepared, and only like this: it is decided to ${decision}.`,
    `    ${statement ?? `${decision} prepared what is listed`}`,
    ...owner,
    `  WARNING: no one checks what you type. The other end, the branch of another id, or a database that is not ${branch.resource} makes the outcome mixed:`,
    '  part of the transaction is committed and part is not, and only people can repair that. Write down what you saw before and after.',
    decision === 'commit'
      ? `  Then start the sidecar, which finds the row; or, if it never comes back: concordat tx resolve ${id} --branch ${bqual} --committed --reason '…'`
      : '  Then start the sidecar, which finds that it is gone.',
  ];
}
