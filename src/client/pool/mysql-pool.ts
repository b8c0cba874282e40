// A pool of mysql2 that lends, within a transaction, the one connection that the transaction has there. In either flavour: the one with
// promises wraps the one with callbacks, and so does its facade.
import { AsyncResource } from 'node:async_hooks';
import { facadeOf } from './facade.ts';
import type { Handle, Lease } from './lease.ts';
import type { LeaseSource } from './leases.ts';

/** Of a command on its way to the server. */
interface MysqlCommand {
  onResult?: ((error: unknown) => void) | undefined;
  emit(event: string, ...values: unknown[]): boolean;
  once(event: 'end', listener: () => void): unknown;
  readonly constructor: { readonly name: string };
}

interface MysqlPoolConnection {
  addCommand(command: MysqlCommand): MysqlCommand;
  release(): void;
}

type Taken = (error: unknown, connection?: MysqlPoolConnection) => void;

export interface MysqlPoolLike {
  getConnection(done: Taken): void;
  query(...values: unknown[]): unknown;
  execute(...values: unknown[]): unknown;
  promise(implementation?: unknown): object;
}

/** The pool of the flavour with promises holds the other one. */
export interface MysqlPromisePoolLike {
  readonly pool: MysqlPoolLike;
}

/** They are not answered, and change nothing of a transaction. */
const UNANSWERED = new Set(['Quit', 'CloseStatement']);

export function mysqlPromisePool(
  pool: MysqlPromisePoolLike,
  leases: LeaseSource<MysqlPoolConnection>,
): MysqlPromisePoolLike {
  return facadeOf(pool, { pool: mysqlPool(pool.pool, leases) }, 'facade');
}

export function mysqlPool(pool: MysqlPoolLike, leases: LeaseSource<MysqlPoolConnection>): MysqlPoolLike {
  const facade: MysqlPoolLike = facadeOf(
    pool,
    {
      getConnection: (done: Taken) => {
        let place: ReturnType<typeof leases.here>;
        try {
          place = leases.here();
        } catch (error) {
          process.nextTick(done, error);
          return;
        }
        if (place === undefined) {
          pool.getConnection(done);
          return;
        }
        const { lease, level } = place;
        const bound = AsyncResource.bind(done);
        lease.connection().then(
          (connection) => bound(null, handleOf(connection, lease, level)),
          (error: unknown) => bound(error),
        );
      },
      // They take a connection by `getConnection`, and give it back.
      query: (...values: unknown[]) => pool.query.apply(facade, values),
      execute: (...values: unknown[]) => pool.execute.apply(facade, values),
      promise: (implementation?: unknown) => facadeOf(pool.promise(implementation), { pool: facade }, 'facade'),
    },
    'target',
  );
  return facade;
}

/** Everything that is sent goes through `addCommand`: the connection's methods, called on the handle, call the handle's. */
function handleOf(
  connection: MysqlPoolConnection,
  lease: Lease<MysqlPoolConnection>,
  level: Handle['level'],
): MysqlPoolConnection {
  const handle: Handle = { level };
  return facadeOf(
    connection,
    {
      release: () => lease.release(handle),
      addCommand: (command: MysqlCommand) => {
        if (UNANSWERED.has(command.constructor.name)) {
          return connection.addCommand(command);
        }
        const send = (): void => {
          command.once('end', () => lease.answered(handle));
          connection.addCommand(command);
        };
        try {
          const turn = lease.turn(handle);
          if (turn === undefined) {
            send();
          } else {
            turn.then(send, (error: unknown) => refuse(command, error));
          }
        } catch (error) {
          process.nextTick(refuse, command, error);
        }
        return command;
      },
    },
    'facade',
  );
}

function refuse(command: MysqlCommand, error: unknown): void {
  if (command.onResult === undefined) {
    command.emit('error', error);
  } else {
    command.onResult(error);
  }
  command.emit('end');
}
