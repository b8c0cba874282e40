// The settings of `concordat coordinator`: names, bounds, defaults and what they mean. How they are loaded is the command line's.
import * as z from 'zod';
import {
  addressSetting,
  flagSetting,
  integerSetting,
  LOG_LEVELS,
  openListenProblem,
  pathSetting,
} from '../lib/setting.ts';
import {
  OPEN_TRANSACTIONS_MAX,
  OUTCOMES_RETAINED_MAX,
  TRANSACTION_TIMEOUT_DEFAULT_MS,
  TRANSACTION_TIMEOUT_MAX_MS,
} from '../xa/limits.ts';

const DAY_MS = 24 * 3_600_000;

export const coordinatorConfigSchema = z
  .strictObject({
    dataDir: pathSetting('Directory of the log; made if it is missing. Keep it on a local disk.').default(
      './concordat-data',
    ),
    backupDir: pathSetting(
      'Directory of backups, which have only a name of their own; made if it is missing. Default: `backups` in the data directory; better another disk.',
    ).optional(),
    listen: addressSetting('Address for gRPC: services, participants and operators. Port 0: any free one.').default(
      '127.0.0.1:7420',
    ),
    adminListen: addressSetting('Address for HTTP: /livez and /readyz. Port 0: any free one.').default(
      '127.0.0.1:7421',
    ),
    insecure: flagSetting('Allow `listen` to be reached from other machines, without encryption.').default(false),
    reflection: flagSetting(
      'Answer gRPC server reflection, for trials with grpcurl and its like. Off: nobody needs it in service, and its streams have no limits of their own.',
    ).default(false),
    defaultTimeoutMs: integerSetting('Time limit of a transaction that names none, in milliseconds.', {
      min: 1,
      max: TRANSACTION_TIMEOUT_MAX_MS,
    }).default(TRANSACTION_TIMEOUT_DEFAULT_MS),
    retention: z
      .strictObject({
        outcomesMax: integerSetting('Outcomes of finished transactions that stay answerable, by count.', {
          min: 1_000,
          max: 10_000_000,
        }).default(OUTCOMES_RETAINED_MAX),
        outcomesMs: integerSetting('Outcomes of finished transactions that stay answerable, by age in milliseconds.', {
          min: 60_000,
          max: 365 * DAY_MS,
        }).default(30 * DAY_MS),
      })
      .prefault({}),
    limits: z
      .strictObject({
        openTransactionsMax: integerSetting('Transactions that may be open at once; `Begin` is refused beyond.', {
          min: 1,
          max: 100_000,
        }).default(OPEN_TRANSACTIONS_MAX),
      })
      .prefault({}),
    logLevel: z.enum(LOG_LEVELS).meta({ description: 'Least severe level that is logged.' }).default('info'),
    drainGraceMs: integerSetting('Longest wait for open transactions after SIGTERM, in milliseconds.', {
      min: 0,
      max: 3_600_000,
    }).default(20_000),
    allowNetworkFileSystem: flagSetting(
      'Allow the log on a network file system, whose locks and flushes cannot be trusted.',
    ).default(false),
    besideLogs: z
      .string()
      .refine((text) => /^(|any|[a-z2-7]{10}(,[a-z2-7]{10})*)$/.test(text), {
        message: 'must be identities of logs with commas between them, as the refusal names them, or any',
      })
      .meta({
        description:
          'Logs of Concordat that the databases may have served before this one: lost ones, or those of coordinators that share them. Identities, with commas between them; any: for trials.',
      })
      .default(''),
    acceptWithoutHighWater: flagSetting(
      'For one start: accept a log whose high-water file is lost, although it cannot be known whether its end is missing, too.',
    ).default(false),
  })
  .superRefine((config, context) => {
    const problem = openListenProblem(config);
    if (problem !== undefined) {
      context.addIssue({ code: 'custom', path: ['listen'], message: problem });
    }
  });

export type CoordinatorConfig = z.infer<typeof coordinatorConfigSchema>;
