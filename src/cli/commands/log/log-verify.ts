// `concordat log verify`: reads the files of a log from end to end, without a coordinator.
import { type LogVerification, verifySqliteLog } from '../../../log/sqlite/backup/verify.ts';
import { CATALOGUE, EXIT } from '../../../xa/errors.ts';
import { exitOf } from '../../run/exit-codes.ts';
import { CliError } from '../../run/failure.ts';
import type { Context } from '../../run/globals.ts';
import { formatBytes } from '../../show/duration.ts';
import { renderFields } from '../../show/table.ts';

export interface VerifyOptions {
  readonly dataDir: string;
}

/** @throws {CliError} with the first problem's reason and exit code, after everything that could be read was printed. */
export async function verifyLog({ console }: Context, { dataDir }: VerifyOptions): Promise<number> {
  const found = await verifySqliteLog(dataDir);
  const { problems, identity, ...numbers } = found;
  console.document('log-verification', {
    ok: problems.length === 0,
    identity: identity ?? null,
    ...numbers,
    problems: problems.map(({ code, message }) => ({ reason: code, message })),
  });
  console.print(renderFields(fields(found), console.layout));
  const [first, ...others] = problems;
  if (first === undefined) {
    console.print(`\n${console.marks.good} whole, and as complete as its high-water mark can prove\n`);
    return EXIT.ok;
  }
  throw new CliError({
    reason: first.code,
    message: first.message,
    details: others.map((problem) => `${problem.code}: ${problem.message}`),
    advice: CATALOGUE[first.code].advice,
    exit: exitOf(first.code),
  });
}

function fields(found: LogVerification): readonly (readonly [string, string])[] {
  return [
    ['File', found.path],
    ['Log', found.identity === undefined ? 'could not be read' : `${found.identity}, epoch ${found.epoch}`],
    ['Records', `${found.journalRecords} in the journal, the last is number ${found.lastSequence}`],
    ['Retained', `${found.retainedOutcomes} outcomes in ${found.retainedRecords} records`],
    ['Unfinished', `${found.unfinished} records`],
    ['Size', formatBytes(found.bytes)],
  ];
}
