// One error class for every request that cannot be done, and the exit codes of the programs.
import { CATALOGUE, type CatalogueEntry, type ErrorCode } from './catalogue.ts';

export { CATALOGUE, type CatalogueEntry, type ErrorCode } from './catalogue.ts';
export { STATUS, type StatusName } from './status-codes.ts';

interface ErrorDetails {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Who asks for nonsense, as often as he can, costs mostly the stack of his refusals: it says where it was refused, and no more. */
const STACK_FRAMES = 2;

/** A request that cannot be done. Match on `code`, never on the message. */
export class CoordinatorError extends Error {
  override readonly name = 'CoordinatorError';
  readonly code: ErrorCode;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const frames = Error.stackTraceLimit;
    Error.stackTraceLimit = code === 'INTERNAL' ? frames : STACK_FRAMES;
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    Error.stackTraceLimit = frames;
    this.code = code;
    this.metadata = details.metadata ?? {};
  }

  get entry(): CatalogueEntry {
    return CATALOGUE[this.code];
  }
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(CATALOGUE, text);
}

/** Exit codes of every program of Concordat. docs/errors.md repeats the table. */
export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  notAllowed: 5,
  unavailable: 6,
  inDoubt: 7,
  heuristic: 8,
  logDamaged: 9,
  confirmationMissing: 10,
  logLocked: 11,
  /** A forced write failed or may have failed: a restart reads the truth. */
  logFailed: 12,
  /** Ctrl-C (128 and the number of SIGINT, as shells have it). */
  interrupted: 130,
} as const;
