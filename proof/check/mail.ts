// The second word of a branch: every message about it that was ever sent, a bit for each. A bit that is set stays set, so the message
// can be delivered now, later, again, after any other, or never: loss, repetition, reordering and delay in one.
import type { Verb } from '../../src/coordinator/engine/event.ts';

/**
 * Calls of the coordinator first, then reports of the participant. `1` and `2` are the instances that speak; `e1` and `e2` the evidence
 * of the first and of the second opening.
 */
export const MAIL = [
  'call prepare',
  'call rollback',
  'call rollback e1',
  'call rollback e2',
  'call commit',
  'call commit e1',
  'call commit e2',
  'call one-phase',
  'call one-phase e1',
  'call one-phase e2',
  'opened 1',
  'opened 2',
  'yes 1 e1',
  'yes 2 e1',
  'yes 2 e2',
  'read-only 1',
  'read-only 2',
  'no 1',
  'no 2',
  'found 1 e1',
  'found 2 e1',
  'found 2 e2',
  'evidence 1',
  'evidence 2',
  'commit done',
  'commit done-otherwise',
  'commit unproven',
  'rollback done',
  'rollback done-otherwise',
  'one-phase done',
  'one-phase done-otherwise',
  'one-phase unproven',
] as const;

export type Mail = (typeof MAIL)[number];

export const CALLS = 10;

const NUMBERS = new Map<string, number>(MAIL.map((mail, number) => [mail, number]));

function numberOf(mail: Mail): number {
  return NUMBERS.get(mail) ?? -1;
}

function maskOf(...mails: readonly Mail[]): number {
  return mails.reduce((mask, mail) => mask | (1 << numberOf(mail)), 0);
}

/** The bits of calls; the others are reports. */
export const CALL_BITS = 2 ** CALLS - 1;
export const ONE_PHASE_CALLS = maskOf('call one-phase', 'call one-phase e1', 'call one-phase e2');
/** What the first instance of a participant has said of its branch. */
export const FROM_FIRST = maskOf('opened 1', 'yes 1 e1', 'read-only 1', 'no 1', 'found 1 e1');

export const PREPARE = numberOf('call prepare');

/** By evidence: 0 for none, 1 or 2. */
export const CALL: Readonly<Record<Verb, readonly number[]>> = {
  rollback: [numberOf('call rollback'), numberOf('call rollback e1'), numberOf('call rollback e2')],
  commit: [numberOf('call commit'), numberOf('call commit e1'), numberOf('call commit e2')],
  'commit-one-phase': [numberOf('call one-phase'), numberOf('call one-phase e1'), numberOf('call one-phase e2')],
};

/** The reports, by the instance that speaks where there is a list, and by the opening where there is one in it. */
export const REPORT = {
  opened: [numberOf('opened 1'), numberOf('opened 2')],
  yes: [
    [numberOf('yes 1 e1'), numberOf('yes 1 e1')],
    [numberOf('yes 2 e1'), numberOf('yes 2 e2')],
  ],
  readOnly: [numberOf('read-only 1'), numberOf('read-only 2')],
  no: [numberOf('no 1'), numberOf('no 2')],
  found: [
    [numberOf('found 1 e1'), numberOf('found 1 e1')],
    [numberOf('found 2 e1'), numberOf('found 2 e2')],
  ],
  evidence: [numberOf('evidence 1'), numberOf('evidence 2')],
} as const;

export const RESULT = {
  commit: {
    done: numberOf('commit done'),
    'done-otherwise': numberOf('commit done-otherwise'),
    unproven: numberOf('commit unproven'),
  },
  rollback: { done: numberOf('rollback done'), 'done-otherwise': numberOf('rollback done-otherwise') },
  'commit-one-phase': {
    done: numberOf('one-phase done'),
    'done-otherwise': numberOf('one-phase done-otherwise'),
    unproven: numberOf('one-phase unproven'),
  },
} as const;

/** What hearing a report tells of openings: the branch is there, and where that can be known, which opening it is. */
export interface News {
  readonly isHeard: boolean;
  readonly opening: 0 | 1 | undefined;
}

/** By message. Of what is found, or told by another instance, nobody knows which opening it was. */
export const NEWS: readonly News[] = MAIL.map((mail) => {
  const [what, instance] = mail.split(' ');
  const isHeard = what === 'opened' || what === 'read-only' || what === 'yes' || what === 'found';
  const isSure = what === 'opened' || what === 'read-only';
  return { isHeard, opening: isSure ? (instance === '1' ? 0 : 1) : undefined };
});
