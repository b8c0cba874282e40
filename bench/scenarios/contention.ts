// Transfers that want the same few rows: how long locks are held decides, and those who wait for each other are rolled back.
import { openBooks } from '../books.ts';
import { contest, type Entry } from '../contest.ts';
import { ACCOUNTS, account, runWindow } from '../contestant.ts';
import { enterForms, FORMS } from '../contestants/forms.ts';
import { retrying } from '../contestants/retrying.ts';
import { toRows } from '../report.ts';
import { openSite, PAIRS, type Site } from '../site.ts';
import type { Line, Scenario, Settings } from './scenario.ts';

const HOT = ['one', 'both'] as const;
type Hot = (typeof HOT)[number];

export const contention: Scenario = {
  summary:
    'transfers between few accounts, in two databases. `one`: the accounts of the second database are few, and who waits\n  there is waited for by nobody. `both`: of both, and transfers that wait for each other are rolled back after\n  --lock-wait, by the databases, or through sidecars by the time limit of the transaction. What was rolled back is tried\n  again; the latency of a transfer is that of all its attempts.',
  options: {
    pair: { fallback: PAIRS[0], help: PAIRS.join(', ') },
    forms: { fallback: FORMS.join(','), help: 'as of `npm run bench`' },
    hot: { fallback: HOT.join(','), help: 'where accounts are few' },
    rows: { fallback: '8', help: 'how many there are' },
    clients: { fallback: '8,32', help: 'concurrent clients' },
    rounds: { fallback: '3', help: 'paired rounds' },
    seconds: { fallback: '4', help: 'length of one window' },
    'lock-wait': { fallback: '1', help: 'whole seconds that the databases let a statement wait for a lock' },
  },
  async run(settings, onProgress) {
    const lockWaitSeconds = Math.ceil(settings.positive('lock-wait'));
    await using site = await openSite(settings.oneOf('pair', PAIRS), { sidecars: 'each', onProgress, lockWaitSeconds });
    const audit = await openBooks(site.servers);
    const lines = await measure(site, settings, lockWaitSeconds, onProgress);
    const wrong = await audit();
    return { lines: lines.rows, wrong: [...(wrong === undefined ? [] : [wrong]), ...lines.wrong] };
  },
};

async function measure(
  site: Site,
  settings: Settings,
  lockWaitSeconds: number,
  onProgress: (text: string) => void,
): Promise<{ rows: Line[]; wrong: string[] }> {
  await using stack = new AsyncDisposableStack();
  const [rows, rounds, seconds] = [
    settings.positive('rows'),
    settings.positive('rounds'),
    settings.positive('seconds'),
  ];
  const counts = settings.numbers('clients');
  const concordat = stack.use(await site.connect());
  // Sessions of sidecars have a wait of their own, which is longer than what is measured here.
  const options = { timeoutMs: lockWaitSeconds * 1_000 };
  const stage = { site, concordat, clients: Math.max(...counts), options };
  const { contestants, forcedWrites } = enterForms(settings.someOf('forms', FORMS), stage, stack);
  const lines: Line[] = [];
  let failed = 0;
  for (const hot of settings.someOf('hot', HOT)) {
    const rolledBack = new Map<string, number>();
    const entries = [...contestants].map(([form, contestant]): Entry => {
      const tried = retrying(contestant, () => rolledBack.set(form, (rolledBack.get(form) ?? 0) + 1));
      return { form, run: (clients, length) => runWindow(tried, clients, length, () => pick(hot, rows)) };
    });
    for (const clients of counts) {
      onProgress(`warming up: ${hot}, ${clients} clients`);
      for (const entry of entries) {
        await entry.run(clients, seconds / 2);
      }
      rolledBack.clear();
      const all = await contest(entries, {
        ...{ clients, rounds, seconds, processes: new Map<string, number>() },
        ...{ forcedWrites, onProgress },
      });
      failed += all.flatMap((round) => [...round.values()]).reduce((sum, window) => sum + window.failed, 0);
      for (const row of toRows('', clients, [...contestants.keys()], all)) {
        const committed = all.reduce((sum, round) => sum + (round.get(row.form)?.committed ?? 0), 0);
        lines.push({
          ...{ hot, clients, form: row.form, 'transfers/s': row.tps, 'p50 ms': row.p50Ms, 'p99 ms': row.p99Ms },
          'vs raw': row.vsRaw ?? Number.NaN,
          'rolled back for each': (rolledBack.get(row.form) ?? 0) / committed,
        });
      }
    }
  }
  return { rows: lines, wrong: failed === 0 ? [] : [`${failed} transfers failed in every attempt`] };
}

function pick(hot: Hot, rows: number): [number, number] {
  return [account(hot === 'both' ? rows : ACCOUNTS), account(rows)];
}
