// What open transactions cost a coordinator in memory: begun, with two branches opened each, and left alone; then all of them commit.
import type { Gtrid } from '../../src/xa/xid.ts';
import { type Client, openClient } from '../coordinator/client.ts';
import type { Participant } from '../coordinator/participants.ts';
import { wrongAfter } from '../coordinator/wrong.ts';
import { peakMib, residentMib } from '../memory.ts';
import { type CoordinatorProcess, scratch, startCoordinator } from './process.ts';
import type { Line, Scenario } from './scenario.ts';

const RESOURCES = ['accounts', 'orders'];
/** They stay open as long as this scenario takes on any machine. */
const TIMEOUT_MS = 3_600_000;
const STEPS = 4;
/** Commits asked for at once. */
const IN_FLIGHT = 256;

export const memory: Scenario = {
  summary:
    'resident memory of the coordinator with open transactions, two branches each, and after all of them committed.\n  Participants over gRPC without databases.',
  options: { open: { fallback: '10000', help: 'open transactions in the end; its quarters are told, too' } },
  async run(settings, onProgress) {
    await using stack = new AsyncDisposableStack();
    const most = settings.positive('open');
    // One more: the transaction that shows that everything before it has arrived.
    const limit = ['--limits-open-transactions-max', String(most + 1)];
    const coordinator = stack.use(await startCoordinator(await scratch(stack), limit));
    const participants: Participant[] = [];
    for (const resource of RESOURCES) {
      participants.push(await coordinator.participant({ resource }));
    }
    const client = connected(coordinator);
    stack.defer(() => client.hangUp());
    const { pid } = coordinator;
    const begin = async (): Promise<Gtrid> => {
      const gtrid = await client.begin();
      for (const participant of participants) {
        participant.opened(gtrid);
      }
      return gtrid;
    };
    const lines: Line[] = [lineOf('nothing', 0, pid)];
    const open: Gtrid[] = [];
    for (let step = 1; step <= STEPS; step += 1) {
      const wanted = Math.round((most * step) / STEPS);
      onProgress(`opening ${wanted} transactions`);
      while (open.length < wanted) {
        open.push(await begin());
      }
      await client.commit(await begin());
      lines.push(lineOf('open', open.length, pid));
    }
    onProgress('committing all of them');
    const waiting = [...open];
    const one = async (): Promise<void> => {
      for (let gtrid = waiting.pop(); gtrid !== undefined; gtrid = waiting.pop()) {
        await client.commit(gtrid);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, one));
    lines.push(lineOf('committed', open.length, pid));
    return { lines, wrong: await wrongAfter(coordinator, participants, most + STEPS) };
  },
};

interface Connected {
  begin(): Promise<Gtrid>;
  commit(gtrid: Gtrid): Promise<void>;
  hangUp(): void;
}

function connected(coordinator: CoordinatorProcess): Connected {
  let ids = Promise.withResolvers<void>();
  const client: Client = openClient(coordinator.client, {
    timeoutMs: TIMEOUT_MS,
    onIds: () => ids.resolve(),
    onRefused: (error) => {
      throw error;
    },
  });
  return {
    async begin() {
      for (;;) {
        const gtrid = client.begin();
        if (gtrid !== undefined) {
          return gtrid;
        }
        await ids.promise;
        ids = Promise.withResolvers();
      }
    },
    commit: (gtrid) => new Promise((resolve) => client.commit(gtrid, RESOURCES, resolve)),
    hangUp: () => client.hangUp(),
  };
}

function lineOf(moment: string, transactions: number, pid: number): Line {
  return { moment, transactions, 'resident MiB': residentMib(pid), 'peak MiB': peakMib(pid) };
}
