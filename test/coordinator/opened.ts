// Participants inside applications, transactions that they have opened branches of, and how a commit names those.
import { eventually } from '../support/eventually.ts';
import type { System } from './fixture.ts';
import type { ParticipantSettings, ScriptedParticipant } from './scripted-participant.ts';

/** Inside an application: it holds its own branches and serves nobody else's. */
export function embedded(
  system: System,
  resource: string,
  settings: ParticipantSettings = {},
): Promise<ScriptedParticipant> {
  const hello = { kind: 'PARTICIPANT_KIND_EMBEDDED', address: '', ...settings.hello } as const;
  return system.participant(resource, { ...settings, hello });
}

/** A transaction with one branch at each participant, opened by it. */
export async function openedAt(system: System, ...participants: readonly ScriptedParticipant[]): Promise<string> {
  const { gtrid } = await system.api.begin({});
  for (const participant of participants) {
    participant.send({ opened: { gtrid, bqual: participant.resource } });
  }
  await eventually('all are reported', async () => (await system.info(gtrid)).branches.length === participants.length);
  return gtrid;
}

/** What a commit request says of their branches. */
export const refs = (...participants: readonly ScriptedParticipant[]) =>
  participants.map(({ resource: bqual, instance }) => ({ bqual, instance }));
