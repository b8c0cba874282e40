// `npm run bench`: Concordat in its forms against two-phase commit by hand and other managers, interleaved in rounds of one run, so
// that ratios hold although the machine is shared.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openBooks } from './books.ts';
import { chart } from './chart.ts';
import { contest, type Entry } from './contest.ts';
import { runWindow } from './contestant.ts';
import { enterForms, FORMS, type Form } from './contestants/forms.ts';
import { openPeer } from './contestants/peer.ts';
import { countEach } from './counting/count.ts';
import { notNegative, oneOf, orComplain, positive } from './options.ts';
import { counted, type Row, table, toRows } from './report.ts';
import { openSite, PAIRS, type Pair, SIDECARS, type SidecarProcesses, type Site } from './site.ts';

/** Compilers need that long until a program runs as it will; what has more processes has more of them. */
const WARM_UP_SECONDS = 12;

const HELP = `npm run bench -- [options]

Transfers between two databases: Concordat against two-phase commit by hand, in turns. Starts what it needs, checks the books after.

  --pair P        ${PAIRS.join(', ')}; default the first
  --forms F,F     which to run, default all:
                    local        two local commits, not atomic
                    raw          two-phase commit by hand, statement by statement: the measure of all others
                    raw-evidence the same, and each database writes a row that proves the commit: what evidence costs
                    batched      by hand, all in one round trip for each database, with a durable decision
                    interactive  Concordat, statement by statement through sidecars, then commit
                    last         Concordat, the statement marked as the branch's last one
                    one-shot     Concordat, statements and commit sent at once, nothing awaited on the way
                    in-app       Concordat, on the application's own connections
                    pool         the same by concordat.pool(): the pools are asked, and what they lend takes part
                    in-app-last  in-app, prepared by the application, the vote unasked
  --sidecars S    one: both sidecars are one process (default); each: each is one
  --peer COMMAND  another transaction manager that answers \`run CLIENTS SECONDS\` on its standard input
  --clients N,N   concurrent clients, default 8,32,64
  --rounds N      paired rounds for each, default 5
  --seconds N     length of one window, default 4
  --count N       transfers of each form, one after the other and untimed, in which messages and round trips are counted;
                  default 200, 0: none
  --svg FILE      write a picture of the ratios
  --json          end with one line of JSON: [{"pair","clients","form","tps","p50Ms","p99Ms","vsRaw","vsPeer","rounds",...}]
  --help

Columns of the table, each for one transfer:
  forced          forced writes of decisions, while it was timed: those that commit at the same time share one
  trips           round trips with both databases, from whoever speaks to them, with what runs in the background
  messages        messages between client, coordinator and participants; what leaves together still counts apart`;

const { values } = parseArgs({
  options: {
    pair: { type: 'string', default: PAIRS[0] },
    forms: { type: 'string', default: FORMS.join(',') },
    sidecars: { type: 'string', default: SIDECARS[0] },
    peer: { type: 'string' },
    clients: { type: 'string', default: '8,32,64' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    count: { type: 'string', default: '200' },
    svg: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  await orComplain(HELP, () =>
    bench({
      pair: oneOf(PAIRS, values.pair, '--pair'),
      forms: values.forms.split(',').map((form) => oneOf(FORMS, form, '--forms')),
      sidecars: oneOf(SIDECARS, values.sidecars, '--sidecars'),
      peer: values.peer,
      clientCounts: values.clients.split(',').map((text) => positive(text, '--clients')),
      rounds: positive(values.rounds, '--rounds'),
      seconds: positive(values.seconds, '--seconds'),
      count: notNegative(values.count, '--count'),
      svg: values.svg,
      json: values.json,
    }),
  );
}

interface Plan {
  readonly pair: Pair;
  readonly forms: readonly Form[];
  readonly sidecars: SidecarProcesses;
  readonly peer: string | undefined;
  readonly clientCounts: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly count: number;
  readonly svg: string | undefined;
  readonly json: boolean;
}

async function bench(plan: Plan): Promise<number> {
  const onProgress = (text: string): void => console.error(text);
  await using site = await openSite(plan.pair, { sidecars: plan.sidecars, onProgress });
  const audit = await openBooks(site.servers);
  const timed: Row[] = [];
  let failed = 0;
  {
    await using stack = new AsyncDisposableStack();
    const { entries, processes, forcedWrites } = await enter(plan, site, stack);
    const most = Math.max(...plan.clientCounts);
    for (const entry of entries) {
      onProgress(`warming up: ${entry.form}`);
      await entry.run(most, Math.min(WARM_UP_SECONDS, 3 * plan.seconds));
    }
    for (const clients of plan.clientCounts) {
      const { rounds: count, seconds } = plan;
      const rounds = await contest(entries, { clients, rounds: count, seconds, processes, forcedWrites, onProgress });
      const forms = entries.map(({ form }) => form);
      timed.push(...toRows(plan.pair, clients, forms, rounds));
      for (const window of rounds.flatMap((round) => [...round.values()])) {
        failed += window.failed;
      }
    }
  }
  const counts = plan.count === 0 ? new Map() : await countEach(plan.forms, plan.count, site, onProgress);
  const rows = counted(timed, counts);
  console.log(table(rows));
  const wrong = await audit();
  console.log(wrong === undefined ? 'The books balance; no branch is left prepared.' : `WRONG: ${wrong}`);
  if (failed > 0) {
    console.log(`${failed} transfers failed.`);
  }
  if (plan.svg !== undefined) {
    await writeFile(
      plan.svg,
      chart(`${plan.pair}: transfers per second, as a share of two-phase commit by hand`, rows),
    );
  }
  if (plan.json) {
    console.log(JSON.stringify(rows));
  }
  return wrong === undefined && failed === 0 ? 0 : 1;
}

/** Everybody who takes part, in the order of the forms; the peer is the last one. */
async function enter(
  { forms, peer, clientCounts }: Plan,
  site: Site,
  stack: AsyncDisposableStack,
): Promise<{ entries: Entry[]; processes: Map<string, number>; forcedWrites: () => Promise<number> }> {
  const most = Math.max(...clientCounts);
  const concordat = stack.use(await site.connect());
  const { contestants, forcedWrites } = enterForms(forms, { site, concordat, clients: most }, stack);
  const entries = [...contestants].map(
    ([form, contestant]): Entry => ({ form, run: (clients, seconds) => runWindow(contestant, clients, seconds) }),
  );
  const counted = site.processes();
  if (peer !== undefined) {
    const journal = join(site.directory, 'peer-journal');
    await mkdir(journal);
    const manager = stack.use(await openPeer(peer, site.servers, { journal, clients: most }));
    entries.push({ form: 'peer', run: (clients, seconds) => manager.window(clients, seconds) });
    counted.set('peer', manager.pid);
  }
  return { entries, processes: counted, forcedWrites };
}
