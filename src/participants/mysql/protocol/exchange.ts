// One exchange on a connection: requests that leave in one write, and the answers put together from packets as they arrive.

import { unreachable } from '../../../lib/assert.ts';
import type { SqlValue } from '../../resource-manager.ts';
import { queryFrame } from './frames.ts';
import {
  type ColumnDefinition,
  Cursor,
  eofStatus,
  isEof,
  isError,
  type OkPacket,
  readColumn,
  readError,
  readOk,
  type ServerError,
  STATUS_IN_TRANSACTION,
  STATUS_MORE_RESULTS,
} from './packets.ts';
import { readBinaryRow, readCells, readTextRow } from './values.ts';

/** What a request is answered with, and how its rows are read. */
type AnswerKind = 'cells' | 'text-values' | 'binary-values' | 'prepared' | 'none';

export interface CommandRequest {
  readonly frame: Buffer;
  readonly answer: AnswerKind;
}

/** Rows as the server sent them. */
export type Cells = readonly (readonly (Buffer | null)[])[];

/** The answer to one statement. */
export type Result =
  | ({ readonly kind: 'ok' } & OkPacket)
  | { readonly kind: 'cells'; readonly rows: Cells; readonly status: number }
  | {
      readonly kind: 'values';
      readonly columns: readonly ColumnDefinition[];
      readonly rows: readonly (readonly SqlValue[])[];
      readonly status: number;
    }
  | { readonly kind: 'prepared'; readonly id: number; readonly parameters: number }
  | { readonly kind: 'error'; readonly error: ServerError };

/** The results of one request: one for each statement of its text; an error is the last. */
export type ResultList = readonly Result[];

/** One text of ours, answered with cells. */
export function textRequest(sql: string): CommandRequest {
  return { frame: queryFrame(sql), answer: 'cells' };
}

/** The first error of an answer. */
export function errorOf(answer: ResultList): ServerError | undefined {
  const last = answer.at(-1);
  return last?.kind === 'error' ? last.error : undefined;
}

/** The rows of a result; none for a statement that answers without. */
export function cellsOf(result: Result): Cells {
  return result.kind === 'cells' ? result.rows : [];
}

/** Whether the session says that it has a transaction, as it does from XA START until the branch is finished or detached. */
export function isInTransaction(result: Result | undefined): boolean {
  return result !== undefined && 'status' in result && (result.status & STATUS_IN_TRANSACTION) !== 0;
}

interface Limits {
  readonly rows: number;
  readonly bytes: number;
}

type State = { readonly kind: 'head' } | { readonly kind: 'skip'; left: number } | Rows;

interface Rows {
  readonly kind: 'columns' | 'rows';
  readonly columns: ColumnDefinition[];
  readonly cells: (readonly (Buffer | null)[])[];
  readonly values: (readonly SqlValue[])[];
}

/** `more`: packets are awaited. `overflow`: the answer is larger than allowed, and the rest of it must not be read. */
type Progress = 'more' | 'complete' | 'overflow';

/** Puts the answers of one exchange together. Feed it every packet's payload, in order. */
export class Exchange {
  readonly #requests: readonly CommandRequest[];
  readonly #extended: boolean;
  readonly #limits: Limits;
  readonly #answers: ResultList[] = [];
  #results: Result[] = [];
  #state: State = { kind: 'head' };
  #rows = 0;
  #bytes = 0;

  constructor(requests: readonly CommandRequest[], options: { readonly extended: boolean; readonly limits: Limits }) {
    this.#requests = requests;
    this.#extended = options.extended;
    this.#limits = options.limits;
    this.#skipUnanswered();
  }

  /** In the order of the requests, those without an answer included. */
  get answers(): readonly ResultList[] {
    return this.#answers;
  }

  get isComplete(): boolean {
    return this.#answers.length === this.#requests.length;
  }

  /** Whether the packet just taken ended an answer: the packets of the next are numbered from 1 again. */
  get atBoundary(): boolean {
    return this.#state.kind === 'head' && this.#results.length === 0;
  }

  take(payload: Buffer): Progress {
    if (isError(payload)) {
      return this.#add({ kind: 'error', error: readError(payload) }, 0);
    }
    const state = this.#state;
    switch (state.kind) {
      case 'head':
        return this.#takeHead(payload);
      case 'skip':
        state.left -= 1;
        return state.left > 0 ? 'more' : this.#endAnswer();
      case 'columns':
        if (isEof(payload)) {
          this.#state = { ...state, kind: 'rows' };
        } else {
          state.columns.push(readColumn(payload, this.#extended));
        }
        return 'more';
      case 'rows':
        return isEof(payload) ? this.#endRows(state, eofStatus(payload)) : this.#takeRow(state, payload);
      default:
        return unreachable(state);
    }
  }

  get #answer(): AnswerKind {
    return this.#requests[this.#answers.length]?.answer ?? 'none';
  }

  #takeHead(payload: Buffer): Progress {
    if (this.#answer === 'prepared') {
      return this.#takePrepared(payload);
    }
    if (payload[0] === 0) {
      const ok = readOk(payload);
      return this.#add({ kind: 'ok', ...ok }, ok.status);
    }
    if (payload[0] === 0xfb) {
      throw new RangeError('the server asks for a local file, which the client never offered');
    }
    new Cursor(payload).lengthEncoded();
    this.#state = { kind: 'columns', columns: [], cells: [], values: [] };
    return 'more';
  }

  #takePrepared(payload: Buffer): Progress {
    const columns = payload.readUInt16LE(5);
    const parameters = payload.readUInt16LE(7);
    this.#results.push({ kind: 'prepared', id: payload.readUInt32LE(1), parameters });
    // Their definitions follow, each list ended by an EOF; the answer to the execution brings them again.
    const left = (columns === 0 ? 0 : columns + 1) + (parameters === 0 ? 0 : parameters + 1);
    if (left === 0) {
      return this.#endAnswer();
    }
    this.#state = { kind: 'skip', left };
    return 'more';
  }

  #takeRow(state: Rows, payload: Buffer): Progress {
    const answer = this.#answer;
    if (answer === 'cells') {
      state.cells.push(readCells(payload, state.columns.length));
      return 'more';
    }
    this.#rows += 1;
    this.#bytes += payload.length;
    if (this.#rows > this.#limits.rows || this.#bytes > this.#limits.bytes) {
      return 'overflow';
    }
    const read = answer === 'binary-values' ? readBinaryRow : readTextRow;
    state.values.push(read(payload, state.columns));
    return 'more';
  }

  #endRows(state: Rows, status: number): Progress {
    return this.#answer === 'cells'
      ? this.#add({ kind: 'cells', rows: state.cells, status }, status)
      : this.#add({ kind: 'values', columns: state.columns, rows: state.values, status }, status);
  }

  #add(result: Result, status: number): Progress {
    this.#results.push(result);
    this.#state = { kind: 'head' };
    return (status & STATUS_MORE_RESULTS) === 0 ? this.#endAnswer() : 'more';
  }

  #endAnswer(): Progress {
    this.#state = { kind: 'head' };
    this.#answers.push(this.#results);
    this.#results = [];
    this.#skipUnanswered();
    return this.isComplete ? 'complete' : 'more';
  }

  #skipUnanswered(): void {
    while (!this.isComplete && this.#answer === 'none') {
      this.#answers.push([]);
    }
  }
}
