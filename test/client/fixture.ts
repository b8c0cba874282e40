// What most tests of the client start from: a scripted coordinator, two scripted sidecars, and a client connected to them.
import { type Concordat, type ConnectOptions, connect } from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { type ScriptedCoordinator, startCoordinator } from './scripted-coordinator.ts';
import { type ScriptedResource, startResource } from './scripted-resource.ts';

export interface Fixture extends AsyncDisposable {
  readonly coordinator: ScriptedCoordinator;
  readonly accounts: ScriptedResource;
  readonly orders: ScriptedResource;
  readonly concordat: Concordat;
}

/** The resources `accounts`, a PostgreSQL, and `orders`, a MariaDB. */
export async function startFixture(options: ConnectOptions = {}): Promise<Fixture> {
  const coordinator = await startCoordinator();
  const accounts = await startResource();
  const orders = await startResource();
  coordinator.entries = [accounts.entry('accounts'), orders.entry('orders', 'mariadb')];
  const concordat = await connect(coordinator.address, options);
  return {
    coordinator,
    accounts,
    orders,
    concordat,
    [Symbol.asyncDispose]: async () => {
      await concordat.close();
      await coordinator[Symbol.asyncDispose]();
      await accounts[Symbol.asyncDispose]();
      await orders[Symbol.asyncDispose]();
    },
  };
}

/** What the promise rejects with; fails the test when it resolves. */
export async function caught(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was expected to reject, and resolved');
}

/** Resolves when the resource has got that many statements. */
export async function statements(resource: ScriptedResource, count: number): Promise<void> {
  await eventually(`${count} statements`, () => resource.executed.length >= count);
}

/** A promise and its other end. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  return Promise.withResolvers<T>();
}
