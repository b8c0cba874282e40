// The operator's commands, run as an operator runs them: the real `concordat` in a process of its own.
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');
const TIMEOUT_MS = 60_000;

export interface Said {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `concordat <args>` to its end, whatever that is. */
export async function concordatCommand(args: readonly string[]): Promise<Said> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, ...args], { timeout: TIMEOUT_MS });
    return { exit: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number | null; stdout: string; stderr: string };
    return { exit: code, stdout, stderr };
  }
}

export interface Listed {
  readonly id: string;
  readonly state: string;
  readonly outcome: string | null;
}

/** What `concordat tx list` shows. @throws {Error} with the command's words, when it does not end with 0. */
export async function listTransactions(address: string): Promise<readonly Listed[]> {
  const said = await concordatCommand(['tx', 'list', '--all', '--output', 'json', '--coordinator', address]);
  if (said.exit !== 0) {
    throw new Error(`tx list ended with ${said.exit}: ${said.stderr}`);
  }
  return (JSON.parse(said.stdout) as { readonly transactions: readonly Listed[] }).transactions;
}
