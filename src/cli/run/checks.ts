// The checks of `concordat doctor` that follow from one survey. Pure: a survey in, findings with their fixes out.

import { EXIT } from '../../xa/errors.ts';
import { quarantinedText } from '../../xa/quarantined.ts';
import { OVERDUE_MS, REFUSED_OLD_MS } from '../../xa/times.ts';
import { formatBytes, formatDuration, formatMicros } from '../show/duration.ts';
import { formatFree } from '../show/log-view.ts';
import { refusedFinding, sharedDatabases, troubles } from '../show/resource-view.ts';
import { type ExitCode, exitOfAlarm } from './exit-codes.ts';
import { type Survey, versionProblem } from './survey.ts';

export interface Check {
  readonly name: string;
  readonly result: 'ok' | 'warning' | 'failed';
  readonly finding: string;
  /** What to do; empty when there is nothing to do. */
  readonly fix: string;
  /** The exit code when it failed. */
  readonly exit: ExitCode;
}

const NODE_FLOOR: readonly [major: number, minor: number] = [24, 11];
/** Below this the coordinator may soon refuse `Begin`. */
const FREE_BYTES_LOW = 512 * 1024 * 1024;
/** A flush this slow bounds commits to a few dozen a second at each client. */
const FLUSH_SLOW_MICROS = 50_000;

function ok(name: string, finding: string): Check {
  return { name, result: 'ok', finding, fix: '', exit: EXIT.ok };
}

export function runtimeCheck(version: string = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const enough = major > NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor >= NODE_FLOOR[1]);
  return enough
    ? ok('node', version)
    : {
        name: 'node',
        result: 'failed',
        finding: `${version} is too old`,
        fix: `Install Node ${NODE_FLOOR.join('.')} or later.`,
        exit: EXIT.unexpected,
      };
}

export function surveyChecks(survey: Survey): readonly Check[] {
  return [
    healthCheck(survey),
    versionCheck(survey),
    ...alarmChecks(survey),
    ...logChecks(survey),
    ...resourceChecks(survey),
    inDoubtCheck(survey),
    heuristicCheck(survey),
  ];
}

function healthCheck({ health }: Survey): Check {
  if (health === 'serving') {
    return ok('health', 'serving');
  }
  const notServing = health === 'not-serving';
  return {
    name: 'health',
    result: notServing ? 'failed' : 'warning',
    finding: notServing
      ? 'not serving: it is recovering, draining, or has lost its log'
      : 'the coordinator does not say',
    fix: notServing ? 'Wait for the end of recovery or start it again; its log lines say which.' : '',
    exit: EXIT.unavailable,
  };
}

function versionCheck({ log }: Survey): Check {
  const problem = versionProblem(log);
  return problem === undefined
    ? ok('version', `${log.coordinatorVersion ?? 'unknown'}, protocol ${log.protocolVersion}`)
    : { name: 'version', result: 'warning', finding: problem, fix: 'Upgrade the older side.', exit: EXIT.conflict };
}

function alarmChecks({ log }: Survey): readonly Check[] {
  return log.alarms.map((alarm) => ({
    name: alarm.code,
    result: 'failed',
    finding: alarm.message,
    fix: alarm.fix,
    exit: exitOfAlarm(alarm),
  }));
}

function logChecks({ log }: Survey): readonly Check[] {
  const room = `${formatFree(log.freeBytes)}, log ${formatBytes(log.bytes)}`;
  const flush = `${formatMicros(log.flushMicros)} median, ${log.flushLane || 'unknown'}`;
  return [
    log.freeBytes >= FREE_BYTES_LOW
      ? ok('log room', room)
      : {
          name: 'log room',
          result: 'failed',
          finding: room,
          fix: `Free space on the volume of ${log.path}: below its reserve the coordinator refuses new transactions.`,
          exit: EXIT.conflict,
        },
    log.flushMicros < FLUSH_SLOW_MICROS
      ? ok('log flush', flush)
      : {
          name: 'log flush',
          result: 'warning',
          finding: flush,
          fix: 'Move the data directory to a faster disk: every commit waits for one flush.',
          exit: EXIT.conflict,
        },
  ];
}

function resourceChecks({ resources }: Survey): readonly Check[] {
  if (resources.length === 0) {
    const fix = 'Start a sidecar for each database: concordat participant --help';
    return [{ name: 'resources', result: 'warning', finding: 'none is registered', fix, exit: EXIT.conflict }];
  }
  const checks: Check[] = [];
  for (const view of resources) {
    const { name: resource, participants, quarantinedBranches, engine, engineVersion } = view;
    const name = `resource ${resource}`;
    const refused = refusedFinding(view);
    if (refused !== undefined) {
      // One that asked a while ago beside others that take part may have been a mistake that is over.
      const isOld = participants.length > 0 && (view.refused?.refusedMs ?? 0) > REFUSED_OLD_MS;
      checks.push({ name, result: isOld ? 'warning' : 'failed', ...refused, exit: EXIT.notAllowed });
    }
    if (participants.length === 0) {
      const fix = `Start its sidecar: concordat participant --resource ${resource} --url-file <file>`;
      checks.push({ name, result: 'failed', finding: 'no participant is attached', fix, exit: EXIT.unavailable });
    } else {
      checks.push(ok(name, `${engine} ${engineVersion}, ${participants.length} attached`));
    }
    for (const finding of troubles(view)) {
      const fix = `Fix what the database complains about; the participant tries again by itself. To check at once: concordat resource check ${resource}`;
      checks.push({ name, result: 'failed', finding, fix, exit: EXIT.unavailable });
    }
    if (quarantinedBranches > 0) {
      checks.push({
        name,
        result: 'failed',
        finding: `${quarantinedText(quarantinedBranches)} branches are of a newer epoch than this log knows: the log may be an old copy`,
        fix: 'Stop the coordinator and find the newest log; see docs/operations.md before anything else.',
        exit: EXIT.logDamaged,
      });
    }
  }
  for (const names of sharedDatabases(resources)) {
    const finding = `${names.join(' and ')} are the same database`;
    const fix = 'Keep one name: a transaction over both may wait for itself.';
    checks.push({ name: 'resources', result: 'warning', finding, fix, exit: EXIT.conflict });
  }
  return checks;
}

function inDoubtCheck({ inDoubt, overdue }: Survey): Check {
  const finding = `${inDoubt.count}${inDoubt.count === 0 ? '' : `, oldest ${formatDuration(inDoubt.oldestAgeMs)}`}`;
  const [first] = overdue;
  return first === undefined
    ? ok('in doubt', finding)
    : {
        name: 'in doubt',
        result: 'failed',
        finding: `${finding}; ${overdue.length} for more than ${formatDuration(OVERDUE_MS)}`,
        fix: `concordat tx explain ${first.id}`,
        exit: EXIT.inDoubt,
      };
}

function heuristicCheck({ heuristic }: Survey): Check {
  const [first] = heuristic;
  return first === undefined
    ? ok('heuristic outcomes', '0')
    : {
        name: 'heuristic outcomes',
        result: 'failed',
        finding: `${heuristic.length} wait for an operator`,
        fix: `concordat tx explain ${first.id}, fix the data, then concordat tx forget ${first.id}`,
        exit: EXIT.heuristic,
      };
}
