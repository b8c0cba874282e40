// What a lent mysql2 connection really sends: every command passes here, of either flavour, as a text, a prepared statement or a
// command of the protocol. ADR 13 says which of the driver's insides are used.

import type { DepthStep } from '../../lent/own-control.ts';
import { MYSQL_REFUSAL, RefusedStatement } from '../../lent/refused-statement.ts';
import { type DriverCommand, type MysqlConnection, statusOf } from '../protocol/driver.ts';
import { STATUS_IN_TRANSACTION } from '../protocol/packets.ts';
import { translateMysql } from './control.ts';

/** What a gate tells of the application's commands. */
interface MysqlGateListener {
  /** A statement was refused or half done, and to go on to a commit would be wrong. */
  onDoomed(why: string): void;
  /** The server says that no transaction is open any more. */
  onLeft(): void;
  /** A statement failed, in the server's words. */
  onError(error: unknown): void;
  /** For as long as this answers something, every command of the application is refused with it. */
  closed(): string | undefined;
}

/** They leave the transaction as it is, or end the connection, which is noticed otherwise. */
const HARMLESS = new Set(['Ping', 'CloseStatement', 'Quit']);
const SEVERAL_FAILED =
  'a text with transaction control of its own failed on its way, and it is not known how much of it was done';

export class MysqlGate {
  readonly #connection: MysqlConnection;
  readonly #listener: MysqlGateListener;
  readonly #addCommand: (command: DriverCommand) => DriverCommand;
  readonly #gate = (command: DriverCommand): DriverCommand => this.#add(command);
  #isOurs = false;
  #depth = 0;
  #waiting = 0;
  #onIdle: (() => void) | undefined;

  /** Stands in the connection's way until `remove`. */
  constructor(connection: MysqlConnection, listener: MysqlGateListener) {
    this.#connection = connection;
    this.#listener = listener;
    this.#addCommand = connection.addCommand.bind(connection);
    connection.addCommand = this.#gate;
  }

  /** How many transactions of the application's own are open. */
  get depth(): number {
    return this.#depth;
  }

  /** Resolves when everything that the application has asked for is answered. */
  async idle(): Promise<void> {
    while (this.#waiting > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
  }

  /** What `send` sends in this turn is not the application's. */
  asOurs<T>(send: () => T): T {
    this.#isOurs = true;
    try {
      return send();
    } finally {
      this.#isOurs = false;
    }
  }

  remove(): void {
    // A connection that was closed meanwhile has put something else there, which stays.
    if (this.#connection.addCommand === this.#gate) {
      delete (this.#connection as Partial<MysqlConnection>).addCommand;
    }
  }

  #add(command: DriverCommand): DriverCommand {
    const kind = command.constructor.name;
    if (this.#isOurs || kind === 'Quit' || kind === 'CloseStatement') {
      return this.#addCommand(command);
    }
    this.#waiting += 1;
    command.once('end', () => {
      this.#waiting -= 1;
      this.#onIdle?.();
    });
    if (kind === 'Prepare') {
      // Answered at once: mysql2 adds the execution next, and it must not begin without its statement.
      const refusal = this.#refusalOf(kind, command);
      if (refusal !== undefined) {
        refuse(command, refusal);
        command.emit('end');
        return command;
      }
      return this.#addCommand(command);
    }
    // At its turn: only then it is known how the commands before it ended.
    const start = command.start;
    command.start = (packet, connection) => {
      const refusal = this.#begin(kind, command);
      if (refusal !== undefined) {
        refuse(command, refusal);
        return null;
      }
      return start.call(command, packet, connection);
    };
    return this.#addCommand(command);
  }

  /** The command is about to be sent: why not, or nothing, and then its end is watched. */
  #begin(kind: string, command: DriverCommand): RefusedStatement | undefined {
    const refusal = this.#refusalOf(kind, command);
    if (refusal !== undefined || HARMLESS.has(kind)) {
      return refusal;
    }
    let steps: readonly DepthStep[] = [];
    if (kind === 'Query') {
      const translation = translateMysql(command.sql ?? '', this.#depth);
      if (translation.kind === 'replaced') {
        command.sql = translation.sql;
        steps = translation.steps;
      }
    }
    this.#watch(command, steps);
    return undefined;
  }

  #refusalOf(kind: string, command: DriverCommand): RefusedStatement | undefined {
    const closed = this.#listener.closed();
    if (closed !== undefined) {
      return refusal(closed);
    }
    switch (kind) {
      case 'Query': {
        const translation = translateMysql(command.sql ?? '', this.#depth);
        return translation.kind === 'refused' ? this.#refused(translation.why, translation.dooms) : undefined;
      }
      case 'Prepare':
      case 'Execute': {
        const sql = kind === 'Prepare' ? command.query : command.statement?.query;
        const translation = translateMysql(sql ?? '', this.#depth);
        return translation.kind === 'same'
          ? undefined
          : this.#refused(
              translation.kind === 'refused'
                ? translation.why
                : 'a prepared statement cannot become a savepoint. Next: send BEGIN, COMMIT and ROLLBACK with query()',
              translation.kind === 'refused' && translation.dooms,
            );
      }
      default:
        return HARMLESS.has(kind)
          ? undefined
          : refusal(
              `${kind} would end the connection’s part of a global transaction. Next: wait until its commit() or rollback() has answered`,
            );
    }
  }

  #refused(why: string, dooms: boolean): RefusedStatement {
    if (dooms) {
      this.#listener.onDoomed(why);
    }
    return refusal(why);
  }

  /** Every packet of the answer passes: the last one has the server's word on the transaction. */
  #watch(command: DriverCommand, steps: readonly DepthStep[]): void {
    const execute = command.execute;
    let isFailed = false;
    let status: number | undefined;
    command.on('result', (result: unknown) => {
      status = statusOf(result) ?? status;
    });
    command.execute = (packet, connection) => {
      isFailed ||= packet?.isError() === true;
      status = packet?.isEOF() === true ? packet.eofStatusFlags() : status;
      const isDone = execute.call(command, packet, connection);
      if (isDone) {
        this.#ended(steps, isFailed, status);
      }
      return isDone;
    };
    const { onResult } = command;
    if (onResult !== undefined) {
      command.onResult = (error, ...rest) => {
        if (error) {
          this.#listener.onError(error);
        }
        onResult.call(command, error, ...rest);
      };
    }
  }

  #ended(steps: readonly DepthStep[], isFailed: boolean, status: number | undefined): void {
    if (!isFailed) {
      this.#depth = steps.reduce<number>((depth, step) => depth + step, this.#depth);
    } else if (steps.length > 1) {
      this.#listener.onDoomed(SEVERAL_FAILED);
    }
    if (!isFailed && status !== undefined && (status & STATUS_IN_TRANSACTION) === 0) {
      this.#listener.onLeft();
    }
  }
}

function refusal(why: string): RefusedStatement {
  return new RefusedStatement(why, MYSQL_REFUSAL);
}

function refuse(command: DriverCommand, error: RefusedStatement): void {
  if (command.onResult !== undefined) {
    command.onResult(error);
  } else {
    command.emit('error', error);
  }
}
