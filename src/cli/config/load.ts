// Defaults < file < environment < flags: one set of settings, checked, with the origin of every value.
import type * as z from 'zod';
import { configError } from '../run/failure.ts';
import { problemOf } from './problems.ts';
import { holdsPassword, readableSecretError, readSecretFile } from './secrets.ts';
import { type ConfigSchema, fileFormOf, type Setting, settingsOf } from './settings.ts';
import {
  type ConfigFile,
  type Environment,
  type Given,
  givenByEnvironment,
  givenByFile,
  givenByFlags,
  readConfigFile,
  type SettingOrigin,
} from './sources.ts';
import { nearest } from './suggest.ts';

export interface LoadOptions {
  /** `--config`; undefined: CONCORDAT_CONFIG, or no file. */
  readonly configPath: string | undefined;
  readonly env: Environment;
  readonly flags: ReadonlyMap<string, string | boolean>;
}

export interface Resolved {
  readonly setting: Setting;
  /** As the program gets it; of a secret too. */
  readonly value: unknown;
  readonly origin: SettingOrigin;
  /** The file that holds the secret. */
  readonly secretPath: string | undefined;
  /** Sources of lower precedence that had a value as well, highest first. */
  readonly overridden: readonly SettingOrigin[];
}

export interface Loaded<Config> {
  readonly config: Config;
  readonly resolved: readonly Resolved[];
  readonly warnings: readonly string[];
}

const CONFIG_ENV = 'CONCORDAT_CONFIG';
const ALLOW_READABLE = 'allowReadableSecrets';

/** @throws {CliError} CONFIG_INVALID, with every problem that was found. */
export function loadConfig<Schema extends ConfigSchema>(schema: Schema, options: LoadOptions): Loaded<z.infer<Schema>> {
  const settings = settingsOf(schema);
  const path = options.configPath ?? (options.env[CONFIG_ENV] || undefined);
  const file = path === undefined ? undefined : readConfigFile(path);
  // Highest precedence last.
  const sources = [
    file === undefined ? [] : givenByFile(settings, file),
    givenByEnvironment(settings, options.env),
    givenByFlags(settings, options.flags),
  ];
  refuseTwoForms(sources);
  const given = sources.flat();
  const winners = new Map(given.map((each) => [each.setting.key, each]));
  const secrets = readSecrets(winners, file);

  const raw = structuredClone(file?.content ?? {}) as Record<string, unknown>;
  for (const { setting } of given.filter((each) => each.fromFile)) {
    setAt(raw, fileFormOf(setting).key.split('.'), undefined);
  }
  for (const [key, winner] of winners) {
    setAt(raw, winner.setting.path, secrets.get(key) ?? winner.value);
  }
  const result = schema.safeParse(raw);
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) =>
      problemOf(issue, settings, winners, file?.lines ?? new Map()),
    );
    throw configError(
      problems.length === 1 ? 'A setting is wrong.' : `${problems.length} settings are wrong.`,
      problems,
    );
  }
  return {
    config: result.data as z.infer<Schema>,
    resolved: settings.map((setting) => resolve(setting, given, secrets)),
    warnings: [...passwordWarnings(winners), ...variableWarnings(settings, options.env)],
  };
}

function resolve(setting: Setting, given: readonly Given[], secrets: ReadonlyMap<string, string>): Resolved {
  const [winner, ...others] = given.filter((each) => each.setting === setting).toReversed();
  return {
    setting,
    value: winner === undefined ? setting.fallback : (secrets.get(setting.key) ?? winner.value),
    origin: winner?.origin ?? { kind: 'default' },
    secretPath: winner?.fromFile === true ? String(winner.value) : undefined,
    overridden: others.map((each) => each.origin),
  };
}

/** A secret and a file with the secret at the same rank: neither is more meant than the other. */
function refuseTwoForms(sources: readonly (readonly Given[])[]): void {
  for (const source of sources) {
    for (const { setting } of source.filter((each) => each.fromFile)) {
      if (source.some((each) => each.setting === setting && !each.fromFile)) {
        throw configError(`${setting.key} and ${fileFormOf(setting).key} are both given in the same place: keep one.`);
      }
    }
  }
}

function readSecrets(winners: ReadonlyMap<string, Given>, file: ConfigFile | undefined): ReadonlyMap<string, string> {
  const allowReadable = winners.get(ALLOW_READABLE)?.value === true;
  const secrets = new Map<string, string>();
  for (const [key, { setting, value, fromFile, origin }] of winners) {
    if (fromFile) {
      if (typeof value !== 'string') {
        throw configError(`${fileFormOf(setting).key} must be the path of a file.`);
      }
      secrets.set(key, readSecretFile(value, { allowReadable }));
    } else if (setting.secret && origin.kind === 'file' && file?.readable === true && !allowReadable) {
      if (typeof value === 'string' && holdsPassword(value)) {
        throw readableSecretError(file.path);
      }
    }
  }
  return secrets;
}

/** Sets or removes a key; a value in the way that is no object stays, for the schema to refuse. */
function setAt(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head = '', ...rest] = path;
  if (rest.length === 0) {
    if (value === undefined) {
      delete target[head];
    } else {
      target[head] = value;
    }
    return;
  }
  target[head] ??= {};
  const below = target[head];
  if (typeof below === 'object' && below !== null && !Array.isArray(below)) {
    setAt(below as Record<string, unknown>, rest, value);
  }
}

function passwordWarnings(winners: ReadonlyMap<string, Given>): readonly string[] {
  return [...winners.values()].flatMap(({ setting, value, fromFile, origin }) =>
    setting.secret && !fromFile && origin.kind === 'flag' && typeof value === 'string' && holdsPassword(value)
      ? [
          `The password in ${setting.flag} is visible to every user of this machine in the list of processes. Put the URL into a file and give ${fileFormOf(setting).flag}.`,
        ]
      : [],
  );
}

/**
 * Variables that are nearly a setting's. Unknown ones are not refused as unknown keys of the file are: orchestrators add their own,
 * like CONCORDAT_PORT and CONCORDAT_SERVICE_HOST for a Kubernetes service called `concordat`.
 */
function variableWarnings(settings: readonly Setting[], env: Environment): readonly string[] {
  const known = settings.flatMap((setting) =>
    setting.secret ? [setting.env, fileFormOf(setting).env] : [setting.env],
  );
  const all = [...known, CONFIG_ENV, 'CONCORDAT_OUTPUT', 'CONCORDAT_COORDINATOR'];
  return Object.keys(env)
    .filter((name) => name.startsWith('CONCORDAT_') && !all.includes(name))
    .flatMap((name) => {
      const suffixes = all.map((each) => each.slice('CONCORDAT_'.length));
      const suggestion = nearest(name.slice('CONCORDAT_'.length), suffixes);
      return suggestion === undefined ? [] : [`${name} is not a setting: did you mean CONCORDAT_${suggestion}?`];
    });
}
