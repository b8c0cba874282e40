// The settings of `concordat participant`: names, bounds, defaults and what they mean. How they are loaded is the command line's.
import * as z from 'zod';
import {
  addressSetting,
  dialSetting,
  flagSetting,
  integerSetting,
  LOG_LEVELS,
  openListenProblem,
  type SettingMeta,
} from '../../lib/setting.ts';
import { SIDECAR_BRANCHES_MAX } from '../../xa/limits.ts';
import { parseResourceName } from '../../xa/xid.ts';

/** The schemes of `url`, and the engine that each speaks to. MySQL and MariaDB share a protocol; the server says which it is. */
export const DATABASE_SCHEMES = {
  'postgres:': 'postgresql',
  'postgresql:': 'postgresql',
  'mysql:': 'mysql',
  'mariadb:': 'mariadb',
} as const satisfies Readonly<Record<string, 'postgresql' | 'mysql' | 'mariadb'>>;

/** What ends the user's part of a URL too early makes another URL of it, or none. */
const ENCODED =
  'In names and passwords % is written as %25, @ as %40, / as %2F, # as %23, ? as %3F and : as %3A (percent-encoding)';

function databaseUrlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) {
    return `must be a URL, like postgresql://user@host:5432/database. ${ENCODED}`;
  }
  const url = new URL(text);
  if (!Object.hasOwn(DATABASE_SCHEMES, url.protocol)) {
    return 'must start with postgresql://, mysql:// or mariadb://';
  }
  if (url.pathname.length < 2) {
    return `must name the database after the host, like postgresql://user@host:5432/database. ${ENCODED}`;
  }
  return undefined;
}

export const participantConfigSchema = z
  .strictObject({
    resource: z
      .string()
      .refine((text) => parseResourceName(text) !== undefined, {
        message: 'must be 1 to 30 of a-z, 0-9 and -, starting with a letter',
      })
      .meta({ description: 'Name of the resource that the database is registered under.' } satisfies SettingMeta),
    url: z
      .string()
      .superRefine((text, context) => {
        const problem = databaseUrlProblem(text);
        if (problem !== undefined) {
          context.addIssue({ code: 'custom', message: problem });
        }
      })
      .meta({
        description: 'The database: postgresql://, mysql:// or mariadb:// with user, host and database.',
        env: 'DATABASE_URL',
        secret: true,
      } satisfies SettingMeta),
    coordinator: dialSetting('Address of the coordinator.').default('localhost:7420'),
    listen: addressSetting('Address for gRPC: statements of the services. Port 0: any free one.').default(
      '127.0.0.1:0',
    ),
    advertise: dialSetting(
      'Address that services are told to dial, if it differs from `listen`. Default: where it listens.',
    ).optional(),
    insecure: flagSetting('Allow `listen` to be reached from other machines, without encryption.').default(false),
    reflection: flagSetting(
      'Answer gRPC server reflection, for trials with grpcurl and its like; also for the others that listen at the same address.',
    ).default(false),
    maxBranches: integerSetting('Branches that may be open or prepared at once; each holds a database session.', {
      min: 1,
      max: 10_000,
    }).default(SIDECAR_BRANCHES_MAX),
    detach: flagSetting(
      'MariaDB: end the session of a prepared branch, so that any session can finish it. Costs a connection for each.',
    ).default(false),
    logLevel: z
      .enum(LOG_LEVELS)
      .meta({ description: 'Least severe level that is logged.' } satisfies SettingMeta)
      .default('info'),
    drainGraceMs: integerSetting('Longest wait for open branches after SIGTERM, in milliseconds.', {
      min: 0,
      max: 3_600_000,
    }).default(20_000),
    allowReadableSecrets: flagSetting('Allow secret files that every user of the machine can read.').default(false),
  })
  .superRefine((config, context) => {
    const problem = openListenProblem(config);
    if (problem !== undefined) {
      context.addIssue({ code: 'custom', path: ['listen'], message: problem });
    }
  });

/** `url` is the whole URL, with its password, whether it came as it is or out of a file. */
export type ParticipantConfig = z.infer<typeof participantConfigSchema>;
