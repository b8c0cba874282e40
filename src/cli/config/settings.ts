// The list of settings that a schema defines: what each is called in the file, the environment and on the command line.
import * as z from 'zod';
import type { SettingMeta } from '../../lib/setting.ts';

type SettingKind = 'text' | 'integer' | 'boolean' | 'choice';

export interface Setting {
  /** Keys from the top of the file, for instance `['retention', 'outcomesMax']`. */
  readonly path: readonly string[];
  /** The path with dots. */
  readonly key: string;
  readonly kind: SettingKind;
  readonly choices: readonly string[];
  /** `--retention-outcomes-max` */
  readonly flag: string;
  /** `CONCORDAT_RETENTION_OUTCOMES_MAX` */
  readonly env: string;
  readonly description: string;
  /** Undefined: it has none. */
  readonly fallback: unknown;
  readonly required: boolean;
  readonly secret: boolean;
  /** For integers. */
  readonly bounds: { readonly min: number; readonly max: number } | undefined;
}

export type ConfigSchema = z.ZodObject;

/** Settings in the order of the schema. */
export function settingsOf(schema: ConfigSchema, above: readonly string[] = []): readonly Setting[] {
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const { inner, fallback, required } = unwrap(field);
    const path = [...above, name];
    return inner instanceof z.ZodObject ? settingsOf(inner, path) : [settingOf(inner, path, { fallback, required })];
  });
}

function settingOf(
  type: unknown,
  path: readonly string[],
  presence: { readonly fallback: unknown; readonly required: boolean },
): Setting {
  const key = path.join('.');
  const words = path.flatMap((part) => part.split(/(?=[A-Z])/)).map((word) => word.toLowerCase());
  const meta = (type instanceof z.ZodType ? type.meta() : undefined) as SettingMeta | undefined;
  if (meta === undefined) {
    throw new TypeError(`The setting ${key} has no description.`);
  }
  return {
    path,
    key,
    kind: kindOf(type, key),
    choices: type instanceof z.ZodEnum ? type.options.map(String) : [],
    flag: `--${words.join('-')}`,
    env: `CONCORDAT_${meta.env ?? words.join('_').toUpperCase()}`,
    description: meta.description,
    ...presence,
    secret: meta.secret === true,
    bounds: type instanceof z.ZodNumber ? { min: type.minValue ?? 0, max: type.maxValue ?? 0 } : undefined,
  };
}

function unwrap(field: unknown): { inner: unknown; fallback: unknown; required: boolean } {
  if (field instanceof z.ZodDefault || field instanceof z.ZodPrefault) {
    return { inner: field.def.innerType, fallback: field.def.defaultValue, required: false };
  }
  if (field instanceof z.ZodOptional) {
    return { inner: field.def.innerType, fallback: undefined, required: false };
  }
  return { inner: field, fallback: undefined, required: true };
}

function kindOf(type: unknown, key: string): SettingKind {
  if (type instanceof z.ZodString) {
    return 'text';
  }
  if (type instanceof z.ZodNumber) {
    return 'integer';
  }
  if (type instanceof z.ZodBoolean) {
    return 'boolean';
  }
  if (type instanceof z.ZodEnum) {
    return 'choice';
  }
  throw new TypeError(`The setting ${key} is of a kind that the command line cannot read.`);
}

/** What a secret is called when it comes from a file: `urlFile`, `--url-file`, `CONCORDAT_DATABASE_URL_FILE`. */
export function fileFormOf(setting: Setting): { readonly key: string; readonly flag: string; readonly env: string } {
  return { key: `${setting.key}File`, flag: `${setting.flag}-file`, env: `${setting.env}_FILE` };
}
