// Isolation levels as messages have them.
import type { Isolation__Output as WireIsolation } from '../gen/concordat/v1/Isolation.ts';
import type { Isolation } from '../xa/vocabulary.ts';

export const WIRE_ISOLATIONS = {
  default: 'ISOLATION_UNSPECIFIED',
  'read-uncommitted': 'ISOLATION_READ_UNCOMMITTED',
  'read-committed': 'ISOLATION_READ_COMMITTED',
  'repeatable-read': 'ISOLATION_REPEATABLE_READ',
  serializable: 'ISOLATION_SERIALIZABLE',
} as const satisfies Record<Isolation, WireIsolation>;

const BY_WIRE: ReadonlyMap<unknown, Isolation> = new Map(
  Object.entries(WIRE_ISOLATIONS).map(([isolation, name]) => [name, isolation as Isolation]),
);

/** Undefined: of a newer protocol. A number that the enum does not have arrives as that number. */
export function fromWireIsolation(value: unknown): Isolation | undefined {
  return BY_WIRE.get(value);
}
