// Round trips and messages of a transfer, counted beside the contest: the same forms again, one transfer after the other, through taps
// before the databases, a coordinator and its sidecars. It is slower for that, and is not timed.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '../../src/client/index.ts';
import { freePort } from '../../src/dev/engines/port.ts';
import { Program } from '../../src/dev/program.ts';
import { sidecarsAttached } from '../../src/dev/story.ts';
import { account } from '../contestant.ts';
import { enterForms, type Form } from '../contestants/forms.ts';
import type { Database } from '../sides.ts';
import type { Site } from '../site.ts';
import { Messages } from './messages.ts';
import { RoundTrips } from './round-trips.ts';
import { openTap, type Tap } from './tap.ts';

/** Connections are opened and statements prepared by then. */
const WARM_UP = 20;
const RESOURCES = ['accounts', 'orders'] as const;

export interface Counts {
  /** For each transfer, at both databases, from whoever speaks to them. */
  readonly roundTrips: number;
  /** For each transfer, between client, coordinator and participants. */
  readonly messages: number;
}

export async function countEach(
  forms: readonly Form[],
  transfers: number,
  site: Site,
  onProgress: (text: string) => void,
): Promise<ReadonlyMap<string, Counts>> {
  await using stack = new AsyncDisposableStack();
  const [roundTrips, messages] = [new RoundTrips(), new Messages()];
  const directory = join(site.directory, 'counting');
  await mkdir(directory);
  const tapped = async (port: number, of: RoundTrips | Messages): Promise<Tap> =>
    stack.use(await openTap(port, () => of.meter()));
  const behind = async (server: Site['servers'][0]): Promise<Database> => {
    const { port } = await tapped(server.port, roundTrips);
    return { engine: server.engine, url: server.url.replace(`:${server.port}/`, `:${port}/`) };
  };
  const servers = [await behind(site.servers[0]), await behind(site.servers[1])] as const;
  const coordinator = await startCoordinator(directory, stack);
  const { address } = await tapped(coordinator, messages);
  for (const [n, resource] of RESOURCES.entries()) {
    const urlFile = join(directory, `${resource}.url`);
    await writeFile(urlFile, `${servers[n]?.url}\n`, { mode: 0o600 });
    const port = await freePort();
    const advertised = await tapped(port, messages);
    const addresses = ['--listen', `127.0.0.1:${port}`, '--advertise', advertised.address];
    const args = ['participant', '--resource', resource, '--url-file', urlFile, '--coordinator', address, ...addresses];
    const sidecar = Program.start({ args });
    stack.defer(() => sidecar.stop());
    await sidecar.event('attached');
  }
  const concordat = stack.use(await connect(address, { application: 'bench' }));
  await sidecarsAttached(concordat);
  const stage = { site: { servers, directory, forcedWrites: async () => 0 }, concordat, clients: 1 };
  const counts = new Map<string, Counts>();
  for (const [form, contestant] of enterForms(forms, stage, stack).contestants) {
    onProgress(`counting messages and round trips: ${form}`);
    let before = { roundTrips: 0, messages: 0 };
    for (let n = -WARM_UP; n < transfers; n += 1) {
      if (n === 0) {
        before = { roundTrips: roundTrips.count, messages: messages.count };
      }
      await contestant.transfer(account(), account());
    }
    counts.set(form, {
      roundTrips: (roundTrips.count - before.roundTrips) / transfers,
      messages: (messages.count - before.messages) / transfers,
    });
  }
  return counts;
}

/** @returns its port. */
async function startCoordinator(directory: string, stack: AsyncDisposableStack): Promise<number> {
  const addresses = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
  // The databases have served the log of the site that was measured; this one is for counting only.
  const beside = ['--beside-logs', 'any'];
  const program = Program.start({
    args: ['coordinator', '--data-dir', join(directory, 'log'), ...addresses, ...beside],
  });
  stack.defer(() => program.stop());
  const { address } = await program.event('serving');
  return Number(String(address).split(':').at(-1));
}
