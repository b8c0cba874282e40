// `concordat config`: whether settings can be used, and where each of them comes from. Starts nothing.
import type { Command } from 'commander';
import { EXIT } from '../../xa/errors.ts';
import { addSettingFlags, typedFlags } from '../config/flags.ts';
import { type Loaded, loadConfig, type Resolved } from '../config/load.ts';
import { checkParticipants, loadParticipants, severalConfigs } from '../config/participants.ts';
import { PROGRAMS, type ProgramName, SCHEMAS } from '../config/programs.ts';
import { maskSecret } from '../config/secrets.ts';
import { settingsOf } from '../config/settings.ts';
import { describeOrigin } from '../config/sources.ts';
import { type Context, onRun } from '../run/globals.ts';
import { renderTable, type TableColumn } from '../show/table.ts';

interface ConfigOptions {
  readonly config?: string;
  readonly origin?: boolean;
}

export function defineConfig(config: Command): void {
  config.description('Check and show the settings of a program: defaults < file < CONCORDAT_* environment < flags.');
  const check = config.command('check').summary('say whether a program could use its settings');
  check.description(
    'Say whether a program could start with its settings. Exit 2, with every problem, when it could not.',
  );
  const show = config.command('show').summary('show the settings that a program would use');
  show.description('Show the settings that a program would use, secrets masked.');
  for (const program of PROGRAMS) {
    if (program !== 'participant') {
      define(check, program, checkConfig);
    }
    define(show, program, showConfig).option('--origin', 'where each value comes from, and what it overrides', false);
  }
  defineCheckParticipant(check);
  check.addHelpText('after', '\nExample:\n  $ concordat config check coordinator --config /etc/concordat.json\n');
  show.addHelpText('after', '\nExample:\n  $ concordat config show participant --origin --resource accounts\n');
}

type Shower = (context: Context, program: ProgramName, loaded: Loaded<unknown>, options: ConfigOptions) => number;

function define(parent: Command, program: ProgramName, act: Shower): Command {
  const command = parent.command(program).description(`The settings of \`concordat ${program}\`.`);
  const settings = settingsOf(SCHEMAS[program]);
  addSettingFlags(command, settings);
  onRun<ConfigOptions>(command, async (context, options) => {
    const flags = typedFlags(command, settings);
    const loaded = loadConfig(SCHEMAS[program], { configPath: options.config, env: process.env, flags });
    for (const warning of loaded.warnings) {
      context.console.warn(warning);
    }
    return act(context, program, loaded, options);
  });
  return command;
}

/** Of one database, or of several that one process would speak for. The adapters look at the URLs, as when the program starts. */
function defineCheckParticipant(check: Command): void {
  const command = check.command('participant').description('The settings of `concordat participant`.');
  const settings = settingsOf(SCHEMAS.participant);
  addSettingFlags(command, settings, severalConfigs());
  onRun<{ readonly config?: readonly string[] }>(command, async (context, options) => {
    const loaded = loadParticipants(options.config, process.env, typedFlags(command, settings));
    const warnings = [...new Set(loaded.flatMap((each) => each.warnings))];
    for (const warning of warnings) {
      context.console.warn(warning);
    }
    await checkParticipants(loaded.map(({ config }) => config));
    return sayUsable(context, 'participant', warnings);
  });
}

function checkConfig(context: Context, program: ProgramName, { warnings }: Loaded<unknown>): number {
  return sayUsable(context, program, warnings);
}

function sayUsable({ console }: Context, program: ProgramName, warnings: readonly string[]): number {
  console.document('config-check', { program, ok: true, warnings });
  console.print(`${console.marks.good} concordat ${program} can use these settings\n`);
  return EXIT.ok;
}

function showConfig(
  { console }: Context,
  program: ProgramName,
  loaded: Loaded<unknown>,
  options: ConfigOptions,
): number {
  const settings = loaded.resolved.map((each) => ({
    key: each.setting.key,
    value: shownValue(each),
    ...(options.origin === true ? { origin: originOf(each), overridden: each.overridden.map(describeOrigin) } : {}),
  }));
  console.document('config', { program, settings });
  console.print(
    renderTable(options.origin === true ? [...COLUMNS, ...ORIGIN_COLUMNS] : COLUMNS, loaded.resolved, console.layout),
  );
  return EXIT.ok;
}

const COLUMNS: readonly TableColumn<Resolved>[] = [
  { header: 'SETTING', value: (each) => each.setting.key },
  { header: 'VALUE', value: (each) => String(shownValue(each) ?? '-') },
];

const ORIGIN_COLUMNS: readonly TableColumn<Resolved>[] = [
  { header: 'FROM', value: originOf },
  { header: 'OVERRIDES', value: (each) => each.overridden.map(describeOrigin).join(', ') || '-' },
];

function originOf(each: Resolved): string {
  return `${describeOrigin(each.origin)}${each.secretPath === undefined ? '' : `, read from ${each.secretPath}`}`;
}

function shownValue({ setting, value }: Resolved): unknown {
  return setting.secret && typeof value === 'string' ? maskSecret(value) : (value ?? null);
}
