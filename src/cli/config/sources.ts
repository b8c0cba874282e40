// Where values come from: a file, the environment, flags. Each source is read into the same form, highest precedence last.
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { configError } from '../run/failure.ts';
import { linesOf } from './json-places.ts';
import { parseStrictJson } from './json-text.ts';
import { fileFormOf, type Setting } from './settings.ts';

export type SettingOrigin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'environment'; readonly name: string }
  | { readonly kind: 'flag'; readonly name: string };

/** One value that a source gives. `fromFile`: it names the file that holds the secret, and is not the secret. */
export interface Given {
  readonly setting: Setting;
  readonly value: unknown;
  readonly fromFile: boolean;
  readonly origin: SettingOrigin;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const CONFIG_BYTES_MAX = 1024 * 1024;
/** Permission bits of everybody. */
const OTHERS_MAY_READ = 0o004;

export interface ConfigFile {
  readonly path: string;
  readonly content: Readonly<Record<string, unknown>>;
  /** Every user of the machine may read it. */
  readonly readable: boolean;
  /** The line of each key, by its path with dots. */
  readonly lines: ReadonlyMap<string, number>;
}

/** @throws {CliError} CONFIG_INVALID: it cannot be read, is no JSON object, or has a key twice. */
export function readConfigFile(path: string): ConfigFile {
  const { text, readable } = readTextFile(path, CONFIG_BYTES_MAX, 'configuration file');
  const result = parseStrictJson(text);
  if (result.kind === 'refused') {
    throw configError(`The configuration file ${path} cannot be used: ${result.message}.`);
  }
  if (typeof result.value !== 'object' || result.value === null || Array.isArray(result.value)) {
    throw configError(`The configuration file ${path} cannot be used: it must hold one JSON object.`);
  }
  return { path, content: result.value as Readonly<Record<string, unknown>>, readable, lines: linesOf(text) };
}

/** Content and permissions of one and the same file. @throws {CliError} CONFIG_INVALID */
export function readTextFile(path: string, bytesMax: number, what: string): { text: string; readable: boolean } {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const { mode, size } = fstatSync(descriptor);
    if (size > bytesMax) {
      throw new Error(`it has ${size} bytes; ${bytesMax} are allowed`);
    }
    return { text: readFileSync(descriptor, 'utf8'), readable: (mode & OTHERS_MAY_READ) !== 0 };
  } catch (error) {
    throw configError(`The ${what} ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  } finally {
    if (descriptor !== undefined) {
      closeSync(descriptor);
    }
  }
}

export function givenByFile(settings: readonly Setting[], file: ConfigFile): readonly Given[] {
  const origin: SettingOrigin = { kind: 'file', path: file.path };
  return settings.flatMap((setting) => {
    const given: Given[] = [];
    const value = valueAt(file.content, setting.path);
    if (value !== undefined) {
      given.push({ setting, value, fromFile: false, origin });
    }
    if (setting.secret) {
      const named = valueAt(file.content, fileFormOf(setting).key.split('.'));
      if (named !== undefined) {
        given.push({ setting, value: named, fromFile: true, origin });
      }
    }
    return given;
  });
}

function valueAt(content: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Readonly<Record<string, unknown>>)[key]
        : undefined,
    content,
  );
}

/** An empty variable counts as absent: that is how compose files and shells pass what is not set. */
export function givenByEnvironment(settings: readonly Setting[], env: Environment): readonly Given[] {
  return settings.flatMap((setting) => {
    const forms = [{ name: setting.env, fromFile: false }];
    if (setting.secret) {
      forms.push({ name: fileFormOf(setting).env, fromFile: true });
    }
    return forms.flatMap(({ name, fromFile }): Given[] => {
      const text = env[name] ?? '';
      const origin: SettingOrigin = { kind: 'environment', name };
      return text === '' ? [] : [{ setting, value: fromFile ? text : fromText(setting, text), fromFile, origin }];
    });
  });
}

/** `flags` by name, for instance `--listen`; texts, and booleans for switches. */
export function givenByFlags(
  settings: readonly Setting[],
  flags: ReadonlyMap<string, string | boolean>,
): readonly Given[] {
  return settings.flatMap((setting) => {
    const forms = [
      { name: setting.flag, fromFile: false },
      { name: fileFormOf(setting).flag, fromFile: true },
    ];
    return forms.flatMap(({ name, fromFile }): Given[] => {
      const told = flags.get(name);
      if (told === undefined) {
        return [];
      }
      const value = typeof told === 'string' && !fromFile ? fromText(setting, told) : told;
      return [{ setting, value, fromFile, origin: { kind: 'flag', name } }];
    });
  });
}

/** A text as the setting's type; what does not fit stays a text, and the schema refuses it. */
function fromText(setting: Setting, text: string): unknown {
  if (setting.kind === 'integer') {
    return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
  }
  if (setting.kind === 'boolean') {
    return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text;
  }
  return text;
}

export function describeOrigin(origin: SettingOrigin): string {
  switch (origin.kind) {
    case 'default':
      return 'default';
    case 'file':
      return `file ${origin.path}`;
    case 'environment':
      return `environment ${origin.name}`;
    case 'flag':
      return `flag ${origin.name}`;
  }
}
