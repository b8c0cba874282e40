// `concordat resource`: which databases take part, whether they can, and what they hold prepared.
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { EXIT } from '../../../xa/errors.ts';
import { parseResourceName } from '../../../xa/xid.ts';
import { type Context, onRun } from '../../run/globals.ts';
import type { ActionOptions } from '../../run/operator-action.ts';
import { addConfirmationOptions } from '../../run/operator-options.ts';
import { fetchResources } from '../../run/resources.ts';
import { type WatchOptions, watched, watchOption } from '../../run/watch.ts';
import { printable } from '../../show/escape.ts';
import {
  absence,
  isCutOff,
  PREPARED_COLUMNS,
  RESOURCE_COLUMNS,
  refusedFinding,
  troubles,
  viewFinding,
  viewPrepared,
  viewResource,
} from '../../show/resource-view.ts';
import { renderTable } from '../../show/table.ts';

export function defineResource(resource: Command): void {
  resource.description('Look at the databases that take part.');
  const list = resource
    .command('list')
    .summary('list resources and who speaks for them')
    .description(
      'List resources, the participants attached for them, whether their databases answer and since when not, and branches whose end is not proven yet. Exit 6 when a database does not answer, or nobody speaks for a resource.',
    )
    .addOption(watchOption())
    .addHelpText('after', '\nExample:\n  $ concordat resource list --watch\n');
  onRun<WatchOptions>(list, (context, { watch }) => watched(context, watch, () => listResources(context)));

  const health = resource
    .command('health')
    .summary('ask each database now whether it answers')
    .description(
      'Let the participant of each resource ask its database now. Shows how long the answer took, or since when there is none and why. Exit 6 when one does not answer or would refuse branches.',
    )
    .addArgument(nameArgument('[name]', 'only this resource'))
    .addHelpText('after', '\nExamples:\n  $ concordat resource health\n  $ concordat resource health accounts\n');
  onRun<object>(health, async (context, _, [name]) => {
    const { showHealth } = await import('./resource-health.ts');
    return showHealth(context, name);
  });

  const accept = resource
    .command('accept')
    .summary('let another database take the place of a resource’s former one')
    .description(
      'Accept the database that asks for a resource and is refused (RESOURCE_IDENTITY) as the successor of the one that was registered: after an upgrade, a restore, a new server id. Only while nothing is pending at the former one; what is pending is listed, with what to do, and the exit is 4. Shows the effects first and asks for the name. Without a terminal and without --yes: exit 10.',
    )
    .addArgument(nameArgument());
  addConfirmationOptions(accept).addHelpText(
    'after',
    `
Examples:
  $ concordat resource accept accounts --reason "upgraded to 18, INC-1234" --dry-run
  $ concordat resource accept accounts --reason "upgraded to 18, INC-1234"
`,
  );
  onRun<ActionOptions>(accept, async (context, options, [name = '']) => {
    const { acceptResource } = await import('./resource-accept.ts');
    return acceptResource(context, name, options);
  });

  const forget = resource
    .command('forget')
    .summary('remove a name that was registered by mistake or by a stranger')
    .description(
      'Remove a resource’s name and its engine’s identity, so that another database can have the name, or this one another name. Only while nothing is pending there (exit 4). Shows the effects first and asks for the name. Without a terminal and without --yes: exit 10.',
    )
    .addArgument(nameArgument());
  addConfirmationOptions(forget).addHelpText(
    'after',
    `
Examples:
  $ concordat resource forget acounts --reason "misspelled, INC-1234" --dry-run
  $ concordat resource forget acounts --reason "misspelled, INC-1234"
`,
  );
  onRun<ActionOptions>(forget, async (context, options, [name = '']) => {
    const { forgetResource } = await import('./resource-forget.ts');
    return forgetResource(context, name, options);
  });

  const check = resource
    .command('check')
    .summary('check a database now, with the fix for each finding')
    .description('Let the participant check its database now. Exit 4 when something would stop it from taking part.')
    .addArgument(nameArgument())
    .addHelpText('after', '\nExample:\n  $ concordat resource check accounts\n');
  onRun<object>(check, (context, _, [name = '']) => checkResource(context, name));

  const scan = resource
    .command('scan')
    .summary('list what a database holds prepared, ours and of others')
    .description('List every prepared branch of the database, ours and of others. Those of others are never touched.')
    .addArgument(nameArgument())
    .addHelpText('after', '\nExample:\n  $ concordat resource scan accounts\n');
  onRun<object>(scan, (context, _, [name = '']) => scanResource(context, name));
}

function nameArgument(form = '<name>', meaning = 'the resource'): Argument {
  return new Argument(form, meaning).argParser((text: string) => {
    if (parseResourceName(text) === undefined) {
      throw new InvalidArgumentError('A resource name is 1 to 30 of a-z, 0-9 and -, starting with a letter.');
    }
    return text;
  });
}

async function listResources(context: Context): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const resources = (await fetchResources(admin)).map(viewResource);
  console.document('resources', { resources });
  if (resources.length === 0) {
    console.note('No resource is registered. Start a sidecar: concordat participant --help');
    return EXIT.ok;
  }
  console.print(renderTable(RESOURCE_COLUMNS, resources, console.layout));
  for (const resource of resources) {
    for (const trouble of [...troubles(resource), absence(resource) ?? []].flat()) {
      console.warn(trouble);
    }
    const refused = refusedFinding(resource);
    if (refused !== undefined) {
      console.warn(`${resource.name}: ${refused.finding}. Next: ${refused.fix}`);
    }
    for (const warning of new Set(resource.participants.flatMap((participant) => participant.warnings))) {
      console.note(`${resource.name}: ${warning}`);
    }
  }
  return resources.some(isCutOff) ? EXIT.unavailable : EXIT.ok;
}

async function checkResource(context: Context, name: string): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const findings = (await admin.call('ScanResource', { resource: name })).findings.map(viewFinding);
  const fatal = findings.some((finding) => finding.fatal);
  console.document('resource-check', { resource: name, ok: !fatal, findings });
  if (findings.length === 0) {
    console.print(`${console.marks.good} ${printable(name)}: nothing to fix\n`);
  }
  for (const finding of findings) {
    const mark = finding.fatal ? console.marks.bad : console.marks.warning;
    console.print(`${mark} ${printable(finding.check)}: ${printable(finding.message)}\n`);
    if (finding.fix !== '') {
      console.print(`    fix: ${printable(finding.fix)}\n`);
    }
  }
  return fatal ? EXIT.conflict : EXIT.ok;
}

async function scanResource(context: Context, name: string): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const branches = (await admin.call('ScanResource', { resource: name })).branches.map(viewPrepared);
  console.document('resource-scan', { resource: name, branches });
  if (branches.length === 0) {
    console.note(`${name} holds no prepared branch.`);
    return EXIT.ok;
  }
  console.print(renderTable(PREPARED_COLUMNS, branches, console.layout));
  return EXIT.ok;
}
