// `concordat doctor`: every check in a row, with the fix beside what fails.
import type { Command } from 'commander';
import { EXIT } from '../../xa/errors.ts';
import type { AdminClient } from '../run/admin-client.ts';
import { type Check, runtimeCheck, surveyChecks } from '../run/checks.ts';
import { toFailure } from '../run/failure.ts';
import { type Context, onRun } from '../run/globals.ts';
import { surveyCoordinator } from '../run/survey.ts';
import { printable } from '../show/escape.ts';
import { type ResourceView, viewFinding } from '../show/resource-view.ts';

export function defineDoctor(doctor: Command): void {
  doctor
    .description(
      'Check Node, the coordinator, its log, every resource and what is stuck, and say how to fix what is wrong. Ends with the exit code of the first check that failed; warnings do not fail.',
    )
    .addHelpText('after', '\nExample:\n  $ concordat doctor\n');
  onRun<object>(doctor, (context) => runDoctor(context));
}

async function runDoctor(context: Context): Promise<number> {
  const { console } = context;
  const checks: Check[] = [];
  const tell = (check: Check): void => {
    checks.push(check);
    console.print(`${console.marks[MARKS[check.result]]} ${check.name}: ${printable(check.finding)}\n`);
    if (check.fix !== '') {
      console.print(`    fix: ${printable(check.fix)}\n`);
    }
  };
  tell(runtimeCheck());
  using admin = await context.openAdmin();
  try {
    const survey = await surveyCoordinator(admin);
    tell({ name: 'coordinator', result: 'ok', finding: `answers at ${admin.address}`, fix: '', exit: EXIT.ok });
    for (const check of surveyChecks(survey)) {
      tell(check);
    }
    for (const resource of survey.resources.filter(({ participants }) => participants.length > 0)) {
      for (const check of await preflightChecks(admin, resource)) {
        tell(check);
      }
    }
  } catch (error) {
    const { message, advice, exit } = toFailure(error);
    tell({ name: 'coordinator', result: 'failed', finding: message, fix: advice, exit });
  }
  const exit = checks.find((check) => check.result === 'failed')?.exit ?? EXIT.ok;
  console.document('doctor', {
    ok: exit === EXIT.ok,
    checks: checks.map(({ name, result, finding, fix }) => ({ name, result, finding, fix })),
  });
  return exit;
}

const MARKS = { ok: 'good', warning: 'warning', failed: 'bad' } as const;

/** What the participant finds at its database now. One that does not answer fails its own check, not the others. */
async function preflightChecks(admin: AdminClient, resource: ResourceView): Promise<readonly Check[]> {
  const name = `resource ${resource.name}, database`;
  try {
    const findings = (await admin.call('ScanResource', { resource: resource.name })).findings.map(viewFinding);
    if (findings.length === 0) {
      return [{ name, result: 'ok', finding: 'nothing to fix', fix: '', exit: EXIT.ok }];
    }
    return findings.map((finding) => ({
      name,
      result: finding.fatal ? 'failed' : 'warning',
      finding: `${finding.check}: ${finding.message}`,
      fix: finding.fix,
      exit: EXIT.conflict,
    }));
  } catch (error) {
    const { message, advice, exit } = toFailure(error);
    return [{ name, result: 'failed', finding: message, fix: advice, exit }];
  }
}
