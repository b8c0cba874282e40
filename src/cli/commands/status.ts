// `concordat status`: one screen, and an exit code that a monitor can act on.
import type { Command } from 'commander';
import { productVersion } from '../../wire/version.ts';
import { EXIT } from '../../xa/errors.ts';
import { OVERDUE_MS } from '../../xa/times.ts';
import type { Health } from '../run/admin-client.ts';
import { exitOfAlarm } from '../run/exit-codes.ts';
import { type Context, onRun } from '../run/globals.ts';
import { type Survey, surveyCoordinator, versionProblem } from '../run/survey.ts';
import { type WatchOptions, watched, watchOption } from '../run/watch.ts';
import { formatDuration } from '../show/duration.ts';
import { logFields } from '../show/log-view.ts';
import type { Tone } from '../show/paint.ts';
import { absence, isCutOff, RESOURCE_COLUMNS, refusedFinding, troubles } from '../show/resource-view.ts';
import { renderFields, renderTable } from '../show/table.ts';
import { TRANSACTION_COLUMNS } from '../show/transaction-view.ts';

/** Transactions that the screen lists; the counts are whole. */
const SHOWN_MAX = 20;

export function defineStatus(status: Command): void {
  status
    .description(
      `Show whether the coordinator serves, and what is open, in doubt or damaged. Exit 0: serving; 4: a database is refused; 6: not reachable or not serving, a database does not answer or refuses its participant, or nobody speaks for a resource; 7: something is in doubt for more than ${OVERDUE_MS / 1_000} s; 8: heuristic outcomes wait for an operator; 9: the log is an old copy.`,
    )
    .addOption(watchOption())
    .addHelpText('after', '\nExamples:\n  $ concordat status --output json\n  $ concordat status --watch\n');
  onRun<WatchOptions>(status, (context, { watch }) => watched(context, watch, () => showStatus(context)));
}

async function showStatus(context: Context): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const survey = await surveyCoordinator(admin);
  const { health, log, resources, open, inDoubt, overdue, heuristic } = survey;
  console.document('status', {
    coordinator: admin.address,
    health,
    commandVersion: productVersion(),
    log,
    transactions: { open, inDoubt, heuristic: heuristic.length },
    resources,
  });
  const problem = versionProblem(log);
  if (problem !== undefined) {
    console.warn(problem);
  }
  for (const { code, message, fix } of log.alarms) {
    console.warn(`${code}: ${message}. Next: ${fix}`);
  }
  const { layout } = console;
  console.print(
    renderFields(
      [
        ['Coordinator', `${admin.address}, ${HEALTH_WORDS[health]}`, HEALTH_TONES[health]],
        ['Version', `${log.coordinatorVersion ?? 'unknown'}; this command ${productVersion()}`],
        ...logFields(log),
        ['Open', `${open} transactions`],
        [
          'In doubt',
          inDoubt.count === 0 ? '0' : `${inDoubt.count}, oldest ${formatDuration(inDoubt.oldestAgeMs)}`,
          overdue.length > 0 ? 'bad' : undefined,
        ],
        ['Heuristic', String(heuristic.length), heuristic.length > 0 ? 'bad' : undefined],
      ],
      layout,
    ),
  );
  if (resources.length > 0) {
    console.print(`\n${renderTable(RESOURCE_COLUMNS, resources, layout)}`);
  }
  for (const resource of resources) {
    for (const trouble of [...troubles(resource), absence(resource) ?? []].flat()) {
      console.warn(trouble);
    }
    const refused = refusedFinding(resource);
    if (refused !== undefined) {
      console.warn(`${resource.name}: ${refused.finding}. Next: ${refused.fix}`);
    }
  }
  const urgent = [...new Set([...heuristic, ...overdue])].slice(0, SHOWN_MAX);
  if (urgent.length > 0) {
    console.print(`\n${renderTable(TRANSACTION_COLUMNS, urgent, layout)}`);
    console.note('Look at each with `concordat tx explain <id>`.');
  }
  return exitOfSurvey(survey);
}

const HEALTH_WORDS: Readonly<Record<Health, string>> = {
  serving: 'serving',
  'not-serving': 'NOT serving: it is recovering or draining',
  unknown: 'answers, health unknown',
};
const HEALTH_TONES: Readonly<Record<Health, Tone>> = { serving: 'good', 'not-serving': 'bad', unknown: 'warning' };

/** Damage first: it waits for a person. Then doubt, which may end by itself. */
function exitOfSurvey(survey: Survey): number {
  const [alarm] = survey.log.alarms;
  if (alarm?.code === 'EPOCH_STALE') {
    return exitOfAlarm(alarm);
  }
  if (survey.health === 'not-serving') {
    return EXIT.unavailable;
  }
  if (survey.heuristic.length > 0) {
    return EXIT.heuristic;
  }
  if (survey.overdue.length > 0) {
    return EXIT.inDoubt;
  }
  if (alarm !== undefined) {
    return exitOfAlarm(alarm);
  }
  return survey.resources.some(isCutOff) ? EXIT.unavailable : EXIT.ok;
}
