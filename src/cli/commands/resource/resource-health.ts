// `concordat resource health`: each database is asked now, through its participant, and not what was heard of it last.
import { systemClock } from '../../../lib/system-clock.ts';
import { CoordinatorError, EXIT } from '../../../xa/errors.ts';
import type { AdminClient } from '../../run/admin-client.ts';
import { toFailure } from '../../run/failure.ts';
import type { Context } from '../../run/globals.ts';
import { fetchResources } from '../../run/resources.ts';
import { formatDuration } from '../../show/duration.ts';
import { type ResourceView, viewResource } from '../../show/resource-view.ts';
import { renderTable, type TableColumn } from '../../show/table.ts';

interface HealthView {
  readonly resource: string;
  readonly answers: boolean;
  /** How long the answer took; null: there was none. */
  readonly answeredInMs: number | null;
  /** For how long there is none, as far as the coordinator knows; null: that is news, or it answers. */
  readonly notForMs: number | null;
  readonly why: string | null;
}

/** @param name undefined: all. @throws {CoordinatorError} RESOURCE_UNKNOWN */
export async function showHealth(context: Context, name: string | undefined): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const all = (await fetchResources(admin)).map(viewResource);
  const asked = all.filter((resource) => name === undefined || resource.name === name);
  if (name !== undefined && asked.length === 0) {
    const known = all.map((resource) => resource.name).join(', ') || 'none';
    throw new CoordinatorError('RESOURCE_UNKNOWN', `no participant has registered ${name}; known: ${known}`);
  }
  const resources = await Promise.all(asked.map((resource) => healthOf(admin, resource)));
  console.document('resource-health', { ok: resources.every(({ answers }) => answers), resources });
  if (resources.length === 0) {
    console.note('No resource is registered. Start a sidecar: concordat participant --help');
  } else {
    console.print(renderTable(COLUMNS, resources, console.layout));
  }
  return resources.every(({ answers }) => answers) ? EXIT.ok : EXIT.unavailable;
}

async function healthOf(admin: AdminClient, { name, database }: ResourceView): Promise<HealthView> {
  const startedAt = systemClock.now();
  const not = (why: string | null): HealthView => {
    return { resource: name, answers: false, answeredInMs: null, notForMs: database.notForMs, why };
  };
  if (database.answers === null) {
    return not(database.why);
  }
  try {
    const { findings } = await admin.call('ScanResource', { resource: name });
    const fatal = findings.find((finding) => finding.fatal);
    if (fatal !== undefined) {
      return not(`would refuse branches: ${fatal.check}: ${fatal.message}`);
    }
  } catch (error) {
    return not(toFailure(error).message);
  }
  if (!database.answers) {
    return not(database.why); // It answers a look, and refuses the connections of branches.
  }
  const answeredInMs = Math.round(systemClock.now() - startedAt);
  return { resource: name, answers: true, answeredInMs, notForMs: null, why: null };
}

const COLUMNS: readonly TableColumn<HealthView>[] = [
  { header: 'RESOURCE', value: (row) => row.resource },
  {
    header: 'DATABASE',
    value: ({ answers, answeredInMs, notForMs }) =>
      answers
        ? `answers in ${formatDuration(answeredInMs ?? 0)}`
        : `NO ANSWER${notForMs === null ? '' : ` for ${formatDuration(notForMs)}`}`,
    tone: ({ answers }) => (answers ? 'good' : 'bad'),
  },
  { header: 'WHY', value: (row) => row.why ?? '-' },
];
