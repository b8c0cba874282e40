// What must not be after any number of commits, however fast they were.
import type { Participant } from './participants.ts';

/** Every one of the participants had a branch in each of the commits. @returns a sentence for each thing that is wrong. */
export async function wrongAfter(
  coordinator: { status(): Promise<{ readonly unfinishedDecisions: number }> },
  participants: readonly Pick<Participant, 'resource' | 'told'>[],
  commits: number,
): Promise<string[]> {
  const { unfinishedDecisions } = await coordinator.status();
  return [
    ...(unfinishedDecisions === 0 ? [] : [`${unfinishedDecisions} decisions are not finished`]),
    ...participants.flatMap(({ resource, told: { committed, rolledBack } }) =>
      committed === commits && rolledBack === 0
        ? []
        : [`${resource} was told ${committed} commits and ${rolledBack} rollbacks, instead of ${commits} and none`],
    ),
  ];
}
