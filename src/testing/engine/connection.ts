// How a memory adapter reaches its engine: every call passes here, where it may be lost, refused or late.

import { unreachable } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { EngineError, otherEngine } from '../../participants/resource-manager.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import type { Xid } from '../../xa/xid.ts';
import type { MemoryEngine } from './engine.ts';
import type { MemoryFaults, MemoryVerb } from './faults.ts';

export interface MemoryConnection {
  /** Which engine answers at the address now. */
  readonly engine: MemoryEngine;
  /** The identity of the engine that calls go to; undefined: any. */
  readonly expected: string | undefined;
  readonly clock: Clock;
  readonly faults: MemoryFaults;
}

/** One request and its answer. @throws {EngineError} of `action`; `ENGINE_UNAVAILABLE` when the engine is down or a message was lost. */
export async function callMemory<T>(
  connection: MemoryConnection,
  call: { readonly verb: MemoryVerb; readonly xid?: Xid },
  action: () => T | Promise<T>,
): Promise<T> {
  const fault = connection.faults(call);
  switch (fault.kind) {
    case 'none':
      return act(connection, call.verb, action);
    case 'lost-request':
      throw unavailable('the request was lost');
    case 'lost-answer':
      await act(connection, call.verb, action);
      throw unavailable('the answer was lost');
    case 'refused':
      throw new EngineError(fault.reason, { sessionLost: false });
    case 'delayed': {
      await delay(connection.clock, fault.beforeMs);
      const result = await act(connection, call.verb, action);
      await delay(connection.clock, fault.afterMs);
      return result;
    }
    default:
      return unreachable(fault);
  }
}

function unavailable(message: string): EngineError {
  return new EngineError(unavailableReason(message), { sessionLost: true });
}

export function unavailableReason(message: string): Reason {
  return { code: 'ENGINE_UNAVAILABLE', message, retryable: true };
}

async function act<T>(connection: MemoryConnection, verb: MemoryVerb, action: () => T | Promise<T>): Promise<T> {
  const { engine, expected } = connection;
  if (!engine.running) {
    throw unavailable('the engine is down');
  }
  if (verb !== 'identify' && expected !== undefined && engine.identity !== expected) {
    throw otherEngine(expected, engine.identity);
  }
  return await action();
}

function delay(clock: Clock, delayMs: number): Promise<void> | undefined {
  return delayMs <= 0 ? undefined : new Promise((resolve) => void clock.after(delayMs, resolve));
}
