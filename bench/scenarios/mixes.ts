// What transactions cost that need no two phases: those that only read, and those with a single branch.
import { openBooks } from '../books.ts';
import { contest, type Entry } from '../contest.ts';
import { runWindow } from '../contestant.ts';
import { mixed } from '../contestants/mixed.ts';
import { UsageError } from '../options.ts';
import { toRows } from '../report.ts';
import { openSite, PAIRS, type Site } from '../site.ts';
import type { Line, Scenario, Settings } from './scenario.ts';

export const mixes: Scenario = {
  summary:
    'transfers among transactions that only read, in both databases, and ones that write in the first only; through\n  sidecars, statement by statement. They are told apart by nobody but the databases.',
  options: {
    pair: { fallback: PAIRS[0], help: PAIRS.join(', ') },
    mixes: {
      fallback: '100/0/0,50/50/0,50/0/50,10/90/0,0/100/0,0/0/100',
      help: 'transfers/read-only/single-branch, percent',
    },
    clients: { fallback: '32', help: 'concurrent clients' },
    rounds: { fallback: '3', help: 'rounds, in which every mix has its turn' },
    seconds: { fallback: '4', help: 'for each turn' },
  },
  async run(settings, onProgress) {
    const shares = settings.list('mixes').map(parseMix);
    await using site = await openSite(settings.oneOf('pair', PAIRS), { sidecars: 'each', onProgress });
    const audit = await openBooks(site.servers);
    const { lines, failed } = await measure(site, shares, settings, onProgress);
    const wrong = await audit();
    return {
      lines,
      wrong: [...(wrong === undefined ? [] : [wrong]), ...(failed === 0 ? [] : [`${failed} transactions failed`])],
    };
  },
};

interface Mix {
  readonly text: string;
  readonly readOnly: number;
  readonly single: number;
}

async function measure(
  site: Site,
  all: readonly Mix[],
  settings: Settings,
  onProgress: (text: string) => void,
): Promise<{ lines: Line[]; failed: number }> {
  const [rounds, seconds] = [settings.positive('rounds'), settings.positive('seconds')];
  const lines: Line[] = [];
  let failed = 0;
  await using concordat = await site.connect();
  const entries = all.map((mix): Entry => {
    const contestant = mixed(concordat, site.servers, mix);
    return { form: mix.text, run: (clients, length) => runWindow(contestant, clients, length) };
  });
  for (const clients of settings.numbers('clients')) {
    onProgress(`warming up: ${clients} clients`);
    for (const entry of entries) {
      await entry.run(clients, seconds);
    }
    const measured = await contest(entries, {
      ...{ clients, rounds, seconds, processes: new Map<string, number>() },
      ...{ forcedWrites: () => site.forcedWrites(), onProgress },
    });
    failed += measured.flatMap((round) => [...round.values()]).reduce((sum, window) => sum + window.failed, 0);
    for (const row of toRows(
      '',
      clients,
      entries.map(({ form }) => form),
      measured,
    )) {
      lines.push({
        ...{
          'transfers/read-only/single': row.form,
          clients,
          'tx/s': row.tps,
          'p50 ms': row.p50Ms,
          'p99 ms': row.p99Ms,
        },
        'forced writes each': row.forcedWrites ?? Number.NaN,
      });
    }
  }
  return { lines, failed };
}

function parseMix(text: string): Mix {
  const [transfers, readOnly, single, ...more] = text.split('/').map(Number);
  if (transfers === undefined || readOnly === undefined || single === undefined || more.length > 0) {
    throw new UsageError(`--mixes: ${text} is not like 50/25/25`);
  }
  if (!(transfers >= 0 && readOnly >= 0 && single >= 0 && transfers + readOnly + single === 100)) {
    throw new UsageError(`--mixes: ${text} does not add up to 100`);
  }
  return { text, readOnly: readOnly / 100, single: single / 100 };
}
