// A coordinator in a process of its own, as it is in production, for participants and a client that the bench plays over gRPC.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAdminClient } from '../../src/cli/run/admin-client.ts';
import { Program } from '../../src/dev/program.ts';
import type { ClientMessage } from '../../src/gen/concordat/v1/ClientMessage.ts';
import type { ServerMessage } from '../../src/gen/concordat/v1/ServerMessage.ts';
import type { Dial } from '../coordinator/line.ts';
import { attachParticipant, type Participant, type ParticipantOptions } from '../coordinator/participants.ts';
import { wireClient, wireParticipant } from '../coordinator/wire.ts';
import { cpuTimes } from '../cpu.ts';
import { eventually } from './eventually.ts';

const ATTACHED_MS = 30_000;

export interface CoordinatorProcess extends AsyncDisposable {
  readonly pid: number;
  /** From the start of the process until it served. */
  readonly startMs: number;
  /** The CPU that it used for that: a busy machine changes it less. */
  readonly startCpuMs: number;
  readonly client: Dial<ServerMessage, ClientMessage>;
  /** Resolves when it takes part as far as the coordinator is concerned. */
  participant(options: ParticipantOptions): Promise<Participant>;
  status(): Promise<{ readonly unfinishedDecisions: number; readonly forcedWrites: number }>;
}

/** A directory that goes away with `stack`. */
export async function scratch(stack: AsyncDisposableStack): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'concordat-bench-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** @param args further arguments of `concordat coordinator`. */
export async function startCoordinator(directory: string, args: readonly string[] = []): Promise<CoordinatorProcess> {
  const addresses = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
  const began = performance.now();
  const program = Program.start({ args: ['coordinator', '--data-dir', directory, ...addresses, ...args] });
  const address = String((await program.event('serving'))['address']);
  const startMs = performance.now() - began;
  const startCpuMs = (cpuTimes(new Map([['coordinator', program.pid]])).get('coordinator') ?? 0) / 1_000;
  const admin = openAdminClient({ address, timeoutMs: 30_000 });
  const participants: Participant[] = [];
  let isClosing = false;
  const onBroken = (why: string): void => {
    if (!isClosing) {
      throw new Error(`a stream of the coordinator broke: ${why}`);
    }
  };
  const isAttached = async (resource: string): Promise<boolean> =>
    (await admin.call('ListResources', {})).resources.some(
      ({ name, participants: attached }) => name === resource && attached.length > 0,
    );
  return {
    ...{ pid: program.pid, startMs, startCpuMs, client: wireClient(address, onBroken) },
    async participant(options) {
      const participant = await attachParticipant(wireParticipant(address, onBroken), options);
      participants.push(participant);
      await eventually(() => isAttached(options.resource), ATTACHED_MS);
      return participant;
    },
    async status() {
      const { unfinishedDecisions, forcedWrites } = await admin.call('GetLogStatus', {});
      return { unfinishedDecisions: Number(unfinishedDecisions), forcedWrites: Number(forcedWrites) };
    },
    async [Symbol.asyncDispose]() {
      isClosing = true;
      for (const participant of participants) {
        participant.hangUp();
      }
      admin[Symbol.dispose]();
      await program.stop();
    },
  };
}
