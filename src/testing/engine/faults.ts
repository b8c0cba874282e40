// What a test or a simulation may do to the calls of a memory adapter: the losses, refusals and delays of a real network.
import type { Reason } from '../../xa/vocabulary.ts';
import type { Xid } from '../../xa/xid.ts';

export type MemoryVerb =
  | 'identify'
  | 'preflight'
  | 'raise-epoch'
  | 'show-token'
  | 'read-token'
  | 'known-logs'
  | 'open'
  | 'execute'
  | 'prepare'
  | 'commit-one-phase'
  | 'commit'
  | 'rollback'
  | 'list'
  | 'probe'
  | 'fence';

export type MemoryFault =
  | { readonly kind: 'none' }
  /** The engine never sees the request; the caller learns that the connection broke. */
  | { readonly kind: 'lost-request' }
  /** The engine acts; the caller learns that the connection broke. */
  | { readonly kind: 'lost-answer' }
  | { readonly kind: 'refused'; readonly reason: Reason }
  /** The request reaches the engine `beforeMs` later, and its answer takes `afterMs`. */
  | { readonly kind: 'delayed'; readonly beforeMs: number; readonly afterMs: number };

/** Asked once for each call, in the order of the calls. */
export type MemoryFaults = (call: { readonly verb: MemoryVerb; readonly xid?: Xid }) => MemoryFault;

export const NO_FAULTS: MemoryFaults = () => ({ kind: 'none' });
