// `concordat audit`: what people did, as the log has it.
import type { Command } from 'commander';
import { Option } from 'commander';
import type { AuditEntry__Output } from '../../gen/concordat/v1/AuditEntry.ts';
import { EXIT } from '../../xa/errors.ts';
import type { AdminClient } from '../run/admin-client.ts';
import { type Context, durationOption, onRun } from '../run/globals.ts';
import { printableJson } from '../show/escape.ts';
import { renderTable, type TableColumn } from '../show/table.ts';

interface AuditOptions {
  readonly since?: number;
}

interface AuditView {
  readonly at: string;
  readonly operator: string;
  readonly action: string;
  readonly subject: string | null;
  readonly detail: string | null;
  readonly reason: string;
  readonly requestId: string | null;
}

const WHAT =
  'what people did by hand: resolve, forget, accept, adopt; who, when and why, also of transactions that were forgotten';

export function defineAudit(audit: Command): void {
  audit.description(`Show ${WHAT}.`);
  const list = audit
    .command('list')
    .summary('list what people did, oldest first')
    .description(`List ${WHAT}. Acts on a transaction stay as long as outcomes are retained; export them before.`)
    .addOption(sinceOption())
    .addHelpText('after', '\nExample:\n  $ concordat audit list --since 30d\n');
  onRun<AuditOptions>(list, listAudit);

  const exported = audit
    .command('export')
    .summary('the same as JSON lines, for an archive')
    .description(`Print ${WHAT}: one JSON object on each line, oldest first.`)
    .addOption(sinceOption())
    .addHelpText('after', '\nExample:\n  $ concordat audit export --since 1d >> audit.jsonl\n');
  onRun<AuditOptions>(exported, exportAudit);
}

function sinceOption(): Option {
  return new Option('--since <duration>', 'only what was done at most this long ago, like 12h or 30d').argParser(
    durationOption,
  );
}

async function listAudit(context: Context, options: AuditOptions): Promise<number> {
  const { console } = context;
  const entries = await fetchAudit(context, options);
  console.document('audit', { entries });
  if (entries.length === 0) {
    console.note('Nobody has done anything by hand, as far as the log goes back.');
  } else {
    console.print(renderTable(COLUMNS, entries, console.layout));
  }
  return EXIT.ok;
}

async function exportAudit(context: Context, options: AuditOptions): Promise<number> {
  for (const entry of await fetchAudit(context, options)) {
    process.stdout.write(`${printableJson(entry, 0)}\n`);
  }
  return EXIT.ok;
}

async function fetchAudit({ openAdmin }: Context, { since = 0 }: AuditOptions): Promise<readonly AuditView[]> {
  using admin: AdminClient = await openAdmin();
  const entries: AuditView[] = [];
  let pageToken = '';
  do {
    const answer = await admin.call('ListAudit', { sinceMs: since, pageToken });
    entries.push(...answer.entries.map(viewEntry));
    pageToken = answer.nextPageToken === pageToken ? '' : answer.nextPageToken; // A token that leads to itself would never end.
  } while (pageToken !== '');
  return entries;
}

function viewEntry({ atMs, operator, action, subject, detail, reason, requestId }: AuditEntry__Output): AuditView {
  const orNull = (text: string): string | null => (text === '' ? null : text);
  return {
    at: new Date(Number(atMs)).toISOString(),
    ...{ operator, action, reason },
    subject: orNull(subject),
    detail: orNull(detail),
    requestId: orNull(requestId),
  };
}

const COLUMNS: readonly TableColumn<AuditView>[] = [
  { header: 'WHEN', value: (row) => row.at },
  { header: 'WHO', value: (row) => row.operator },
  { header: 'WHAT', value: (row) => row.action },
  { header: 'OF', value: (row) => [row.subject, row.detail].filter((each) => each !== null).join(' ') || '-' },
  { header: 'WHY', value: (row) => row.reason },
];
