// The kinds of settings that the programs share: one schema for each, which types, checks and documents them.
import * as z from 'zod';
import { isLoopback, parseAddress } from './address.ts';

export interface SettingMeta {
  /** One sentence for the help text and the table of settings, with the unit. */
  readonly description: string;
  /** The environment variable after `CONCORDAT_`; derived from the key when absent. */
  readonly env?: string;
  /** Masked wherever it is shown, and may come from a file: `<key>File`, `--<flag>-file`, `CONCORDAT_<ENV>_FILE`. */
  readonly secret?: boolean;
}

/** What pino calls its levels. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `host:port`; see `parseAddress`. */
export function addressSetting(description: string): z.ZodString {
  return z
    .string()
    .superRefine((text, context) => {
      const address = parseAddress(text);
      if (typeof address === 'string') {
        context.addIssue({ code: 'custom', message: address });
      }
    })
    .meta({ description } satisfies SettingMeta);
}

/** An address that others dial: a port of 0 means nothing to them. */
export function dialSetting(description: string): z.ZodString {
  return addressSetting(description)
    .refine((text) => !text.endsWith(':0'), { message: 'must name the port to dial; 0 only makes sense for listening' })
    .meta({ description } satisfies SettingMeta);
}

/** A whole number within bounds; every one of them is named with its unit by its key. */
export function integerSetting(description: string, bounds: { readonly min: number; readonly max: number }): z.ZodInt {
  return z
    .int()
    .min(bounds.min)
    .max(bounds.max)
    .meta({ description } satisfies SettingMeta);
}

export function flagSetting(description: string): z.ZodBoolean {
  return z.boolean().meta({ description } satisfies SettingMeta);
}

export function pathSetting(description: string): z.ZodString {
  return z
    .string()
    .min(1)
    .max(4_096)
    .refine((text) => !text.includes('\0'), { message: 'must be a path' })
    .meta({ description } satisfies SettingMeta);
}

/** The refusal of an address that others can reach, until it is allowed by name: there is no TLS yet. Undefined: fine. */
export function openListenProblem(config: { readonly listen: string; readonly insecure: boolean }): string | undefined {
  const address = parseAddress(config.listen);
  if (typeof address === 'string' || isLoopback(address.host) || config.insecure) {
    return undefined;
  }
  return `${config.listen} can be reached from other machines, and the connection is neither encrypted nor authenticated. Keep it on a private network and say --insecure, or listen on 127.0.0.1.`;
}
