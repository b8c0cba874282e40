// What every change by an operator has: a reason, a name, a request id, effects shown first, and a confirmation.
import { hostname, userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { systemRandom } from '../../lib/random.ts';
import { isSpoken, PROTOCOL } from '../../wire/protocol.ts';
import { productVersion } from '../../wire/version.ts';
import { EXIT } from '../../xa/errors.ts';
import { OPERATOR_REASON_CHARS_MIN, REASON_CHARS_MAX, REQUEST_ID_BYTES_MAX } from '../../xa/limits.ts';
import type { Console } from '../show/console.ts';
import { printable } from '../show/escape.ts';
import type { AdminClient } from './admin-client.ts';
import { CliError, usageError } from './failure.ts';

export interface ActionOptions {
  readonly reason: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly requestId?: string;
}

/** Characters of the id that the operator types. */
const CONFIRMATION_CHARS = 6;
const REQUEST_ID_RANDOM_CHARS = 26;
const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;
const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** @throws {CliError} USAGE: the reason is too short, too long or not one line of printable characters (faults B83). */
export function checkReason(reason: string): string {
  const text = reason.trim();
  const length = Array.from(text).length;
  if (length < OPERATOR_REASON_CHARS_MIN || length > REASON_CHARS_MAX) {
    throw usageError(
      `The reason has ${length} characters; it must have ${OPERATOR_REASON_CHARS_MIN} to ${REASON_CHARS_MAX}.`,
      'Say why, and where it is written down: --reason "client is gone, INC-1234".',
    );
  }
  if (NOT_PRINTABLE.test(text)) {
    throw usageError(
      'The reason has characters that are not printable.',
      'Write it as one line, without control characters.',
    );
  }
  return text;
}

/** The given idempotency key, or a new one. @throws {CliError} USAGE */
export function requestIdOf(options: ActionOptions): string {
  const given = options.requestId;
  if (given === undefined) {
    return `cli-${systemRandom.base32(REQUEST_ID_RANDOM_CHARS)}`;
  }
  if (!PRINTABLE_ASCII.test(given) || given.length > REQUEST_ID_BYTES_MAX) {
    throw usageError(`A request id is 1 to ${REQUEST_ID_BYTES_MAX} printable ASCII characters without spaces.`);
  }
  return given;
}

/** The key of the dry run: another body than the call that follows, so another key. */
export function dryRunId(): string {
  return `cli-dry-${systemRandom.base32(REQUEST_ID_RANDOM_CHARS)}`;
}

/** `user@host`, as the operating system tells. The coordinator writes it down; it does not prove it. */
export function operatorName(): string {
  let user: string;
  try {
    user = userInfo().username;
  } catch {
    // A uid without an entry in the user database, as containers have.
    user = `uid-${process.getuid?.() ?? 'unknown'}`;
  }
  return `${user}@${hostname()}`.replace(/[^\x21-\x7e]/g, '?').slice(0, 200);
}

/**
 * Refuses to change anything through a protocol that this command does not know: it might not mean the same (faults B70).
 * @throws {CliError} PROTOCOL
 */
export async function requireKnownProtocol(admin: AdminClient): Promise<void> {
  const { version, protocolVersion } = await admin.call('GetLogStatus', {});
  if (protocolVersion !== 0 && !isSpoken(protocolVersion)) {
    throw new CliError({
      reason: 'PROTOCOL',
      message: `The coordinator (${version}) speaks protocol ${protocolVersion}, this command (${productVersion()}) protocol ${PROTOCOL.protocolHighest}: nothing was changed.`,
      advice: "Use the command of the coordinator's version for changes. Commands that only look still work.",
      exit: EXIT.conflict,
    });
  }
}

export function printEffects(console: Console, title: string, effects: readonly string[]): void {
  console.print(`${title}\n${effects.map((effect) => `  - ${printable(effect)}\n`).join('')}`);
}

/** A lost answer says nothing about the change: the same request id finds out safely. */
export function withRepeat(error: unknown, requestId: string, look = 'concordat tx explain'): unknown {
  if (error instanceof CliError && error.failure.exit === EXIT.unavailable) {
    const advice = `It may have been done. Look with \`${look}\`, or repeat the command with --request-id ${requestId}`;
    return new CliError({ ...error.failure, advice, metadata: { ...error.failure.metadata, requestId } }, error);
  }
  return error;
}

/** What was shown, and for which transaction or resource. */
interface Proposal {
  readonly id: string;
  readonly effects: readonly string[];
  /** What is to be typed; by default the last six characters of the id. */
  readonly typed?: 'id';
}

/**
 * Shows the effects and asks to type the end of the id, or all of it. Returns when it was typed, or when `--yes` stands for it.
 * @throws {CliError} CONFIRMATION_MISSING: nobody can be asked, or something else was typed (faults B66).
 */
export async function confirm(console: Console, proposal: Proposal, options: ActionOptions): Promise<void> {
  if (options.yes === true) {
    return;
  }
  if (!console.interactive) {
    throw unconfirmed(
      'This needs a confirmation, and there is no terminal to ask at. This would happen:',
      proposal.effects,
    );
  }
  const { id, effects } = proposal;
  const wanted = proposal.typed === 'id' ? id : id.slice(-CONFIRMATION_CHARS);
  const what = proposal.typed === 'id' ? printable(id) : `the last six characters of ${printable(id)}`;
  const lines = ['This would happen:', ...effects.map((effect) => `  - ${effect}`)];
  const shown = lines.map((line) => `${printable(line)}\n`).join('');
  const typed = await ask(`${shown}Type ${what} to do it: `);
  if (typed.trim() !== wanted) {
    const missed =
      proposal.typed === 'id' ? `${printable(id)} was not typed.` : 'The last six characters were not typed.';
    throw unconfirmed(missed, []);
  }
}

function unconfirmed(message: string, details: readonly string[]): CliError {
  const advice = 'Nothing was changed. In a script add --yes, after a look at the effects with --dry-run.';
  return new CliError({
    reason: 'CONFIRMATION_MISSING',
    message,
    details,
    advice,
    exit: EXIT.confirmationMissing,
  });
}

/** The line that was typed; empty when the input ended instead. */
async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    return await Promise.race([terminal.question(question), ended]);
  } finally {
    terminal.close();
  }
}
