// Settings as options of a command: one flag for each, generated from the schema, with default and range in the help.
import { type Command, Option } from 'commander';
import { fileFormOf, type Setting } from './settings.ts';

/** Adds `--config` and a flag for each setting. Flags that the program has already (`--coordinator`) are shared with it. */
export function addSettingFlags(
  command: Command,
  settings: readonly Setting[],
  configFlag: Option = new Option('--config <file>', 'JSON file with settings; also CONCORDAT_CONFIG (default: none)'),
): void {
  command.addOption(configFlag);
  for (const setting of settings.filter(({ flag }) => !isGlobal(command, flag))) {
    const help = `${setting.description} ${rangeOf(setting)}`.trimEnd();
    if (setting.kind === 'boolean') {
      command.addOption(new Option(setting.flag, help));
      command.addOption(new Option(setting.flag.replace('--', '--no-')).hideHelp());
      continue;
    }
    command.addOption(new Option(`${setting.flag} <${placeholderOf(setting)}>`, help));
    if (setting.secret) {
      const form = fileFormOf(setting);
      command.addOption(
        new Option(`${form.flag} <file>`, `A file that holds it, readable only for you; also ${form.env}.`),
      );
    }
  }
}

/** Flags that were typed, by name. What a command did not get from the command line is not in it. */
export function typedFlags(command: Command, settings: readonly Setting[]): ReadonlyMap<string, string | boolean> {
  const flags = new Map<string, string | boolean>();
  const names = settings.flatMap((setting) =>
    setting.secret ? [setting.flag, fileFormOf(setting).flag] : [setting.flag],
  );
  for (const name of names) {
    const attribute = new Option(name).attributeName();
    for (let owner: Command | null = command; owner !== null; owner = owner.parent) {
      const value: unknown = owner.getOptionValue(attribute);
      if (
        owner.getOptionValueSource(attribute) === 'cli' &&
        (typeof value === 'string' || typeof value === 'boolean')
      ) {
        flags.set(name, value);
        break;
      }
    }
  }
  return flags;
}

function isGlobal(command: Command, flag: string): boolean {
  for (let owner = command.parent; owner !== null; owner = owner.parent) {
    if (owner.options.some((option) => option.long === flag)) {
      return true;
    }
  }
  return false;
}

function placeholderOf(setting: Setting): string {
  switch (setting.kind) {
    case 'integer':
      return setting.key.endsWith('Ms') ? 'ms' : 'n';
    case 'choice':
      return 'level';
    default:
      return setting.secret
        ? 'url'
        : /dir$/i.test(setting.key)
          ? 'dir'
          : /listen|advertise/i.test(setting.key)
            ? 'host:port'
            : 'text';
  }
}

/** `(1 to 64; default: 64; CONCORDAT_MAX_BRANCHES)` */
function rangeOf(setting: Setting): string {
  const { bounds, choices, fallback, env } = setting;
  return `(${[
    ...(bounds === undefined ? [] : [`${bounds.min} to ${bounds.max}`]),
    ...(choices.length === 0 ? [] : [choices.join(', ')]),
    ...(fallback === undefined ? [] : [`default: ${String(fallback)}`]),
    ...(setting.required ? ['required'] : []),
    env,
  ].join('; ')})`;
}
