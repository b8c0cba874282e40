// How a memory adapter reaches its engine: every call passes here, where it may be lost, refused or late.

import { unreachable } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import type { Xid } from '../../xa/xid.ts';
import { EngineError } from '../resource-manager.ts';
import type { MemoryEngine } from './engine.ts';
import type { MemoryFaults, MemoryVerb } from './faults.ts';

export interface MemoryConnection {
  readonly engine: MemoryEngine;
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
      return act(connection, action);
    case 'lost-request':
      throw unavailable('the request was lost');
    case 'lost-answer':
      await act(connection, action);
      throw unavailable('the answer was lost');
    case 'refused':
      throw new EngineError(fault.reason, { sessionLost: false });
    case 'delayed': {
      await delay(connection.clock, fault.beforeMs);
      const result = await act(connection, action);
      await delay(connection.clock, fault.afterMs);
      return result;
    }
    default:
      return unreachable(fault);
  }
}

export function unavailable(message: string): EngineError {
  return new EngineError(unavailableReason(message), { sessionLost: true });
}

export function unavailableReason(message: string): Reason {
  return { code: 'ENGINE_UNAVAILABLE', message, retryable: true };
}

async function act<T>(connection: MemoryConnection, action: () => T | Promise<T>): Promise<T> {
  if (!connection.engine.running) {
    throw unavailable('the engine is down');
  }
  return await action();
}

function delay(clock: Clock, delayMs: number): Promise<void> | undefined {
  return delayMs <= 0 ? undefined : new Promise((resolve) => void clock.after(delayMs, resolve));
}
