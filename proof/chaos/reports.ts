// What an application was told of each transaction, in a file of its own that survives it.
import { closeSync, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { BranchIdentity } from '../../src/client/index.ts';

/** `rolled-back` is also what an application may conclude when its work threw before it asked for the commit. */
export type Answer = 'committed' | 'rolled-back' | 'unknown' | 'heuristic';

export interface Told {
  /** The unique value that the transaction writes on all of its sides. */
  readonly id: string;
  /** Undefined: it was never begun. */
  readonly gtrid: string | undefined;
  /** The sides that it writes, joined with `+`. */
  readonly group: string;
  readonly answer: Answer;
  /** How it was done: a `Way`. */
  readonly way: string;
  /** The code of the error, where there was one. */
  readonly code?: string;
  readonly branches?: readonly BranchIdentity[];
  /** Told that it is applied, and then did not see its entry at this side. */
  readonly unseen?: string;
}

export interface ReportFile extends Disposable {
  write(told: Told): void;
}

/** Each line is one write to the end of the file: a kill takes all of it or nothing. */
export function openReportFile(path: string): ReportFile {
  const file = openSync(path, 'a', 0o600);
  return {
    write: (told) => void writeSync(file, `${JSON.stringify(told)}\n`),
    [Symbol.dispose]: () => closeSync(file),
  };
}

export async function readReports(path: string): Promise<readonly Told[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') {
      return '';
    }
    throw error;
  });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Told);
}
