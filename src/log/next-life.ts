// The life that a start begins, from what the log holds of those before. Pure.
import { LIVES_MAX } from '../xa/limits.ts';
import type { Life } from './chain.ts';
import { lackingUpTo } from './horizon.ts';
import type { LifeName } from './record.ts';

export interface NextLifeFacts {
  readonly token: string;
  /** The end of the log is not known: nothing can be concluded from its silence about the lives before. */
  readonly endUnknown: boolean;
  /** The highest life that an adoption speaks of; -1: there was none. */
  readonly adoptedTo: number;
}

/** After an adoption it is above every epoch that a database was known to have served, so that no id is ever given out again. */
export function nextLife<L extends Pick<Life, 'epoch' | 'nextEpoch' | 'lostTo'>>(
  life: L,
  facts: NextLifeFacts,
): L & NextLife {
  const { token, endUnknown, adoptedTo } = facts;
  const epoch = Math.max(life.nextEpoch, adoptedTo + 1);
  const lost = Math.max(endUnknown ? life.epoch : -1, adoptedTo);
  return { ...life, token, epoch, nextEpoch: epoch + 1, ...(lost > life.lostTo && lackingUpTo(lost)) };
}

type NextLife = Pick<Life, 'token' | 'epoch' | 'nextEpoch'>;

/** What a start records of the lives before it. The last one may have died before it could write of itself. */
export function earlierLives(recorded: readonly LifeName[], last: LifeName): readonly LifeName[] {
  const known = recorded.some(({ epoch }) => epoch === last.epoch) || last.epoch === 0;
  return [...recorded, ...(known ? [] : [last])].slice(-LIVES_MAX);
}
