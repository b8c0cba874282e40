// `concordat resource`: which databases take part, whether they can, and what they hold prepared.
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { EXIT } from '../../xa/errors.ts';
import { parseResourceName } from '../../xa/xid.ts';
import { printable } from '../escape.ts';
import { type Context, onRun } from '../globals.ts';
import { PREPARED_COLUMNS, RESOURCE_COLUMNS, viewFinding, viewPrepared, viewResource } from '../resource-view.ts';
import { fetchResources } from '../resources.ts';
import { renderTable } from '../table.ts';

export function defineResource(resource: Command): void {
  resource.description('Look at the databases that take part.');
  const list = resource
    .command('list')
    .summary('list resources and who speaks for them')
    .description('List resources, the participants attached for them, and branches whose end is not proven yet.')
    .addHelpText('after', '\nExample:\n  $ concordat resource list\n');
  onRun<object>(list, (context) => listResources(context));

  const check = resource
    .command('check')
    .summary('check a database now, with the mend for each finding')
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

function nameArgument(): Argument {
  return new Argument('<name>', 'the resource').argParser((text: string) => {
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
    for (const warning of new Set(resource.participants.flatMap((participant) => participant.warnings))) {
      console.note(`${resource.name}: ${warning}`);
    }
  }
  return EXIT.ok;
}

async function checkResource(context: Context, name: string): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const findings = (await admin.call('ScanResource', { resource: name })).findings.map(viewFinding);
  const fatal = findings.some((finding) => finding.fatal);
  console.document('resource-check', { resource: name, ok: !fatal, findings });
  if (findings.length === 0) {
    console.print(`${console.marks.good} ${printable(name)}: nothing to mend\n`);
  }
  for (const finding of findings) {
    const mark = finding.fatal ? console.marks.bad : console.marks.warning;
    console.print(`${mark} ${printable(finding.check)}: ${printable(finding.message)}\n`);
    if (finding.fix !== '') {
      console.print(`    mend: ${printable(finding.fix)}\n`);
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
