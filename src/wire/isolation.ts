// Isolation levels as messages have them.
import type { Isolation__Output as WireIsolation } from '../gen/concordat/v1/Isolation.ts';
import type { Isolation } from '../xa/vocabulary.ts';
import { fromEnum } from './enums.ts';

export const WIRE_ISOLATIONS = {
  default: 'ISOLATION_UNSPECIFIED',
  'read-uncommitted': 'ISOLATION_READ_UNCOMMITTED',
  'read-committed': 'ISOLATION_READ_COMMITTED',
  'repeatable-read': 'ISOLATION_REPEATABLE_READ',
  serializable: 'ISOLATION_SERIALIZABLE',
} as const satisfies Record<Isolation, WireIsolation>;

const ISOLATIONS = {
  ISOLATION_UNSPECIFIED: 'default',
  ISOLATION_READ_UNCOMMITTED: 'read-uncommitted',
  ISOLATION_READ_COMMITTED: 'read-committed',
  ISOLATION_REPEATABLE_READ: 'repeatable-read',
  ISOLATION_SERIALIZABLE: 'serializable',
} as const satisfies Record<WireIsolation, Isolation>;

/** Undefined: of a newer protocol. */
export function fromWireIsolation(value: string | number): Isolation | undefined {
  return fromEnum<Isolation>(ISOLATIONS, value);
}
