// `concordat participant`: settings in, a sidecar for each database out, and the exit code when they are over.
import type { Command } from 'commander';
import { armFailpoints } from '../../lib/failpoint.ts';
import { type ParticipantConfig, participantConfigSchema } from '../../participants/sidecar/config.ts';
import type { Sidecars } from '../../participants/sidecar/sidecars.ts';
import { addSettingFlags, typedFlags } from '../config/flags.ts';
import type { Loaded } from '../config/load.ts';
import { loadParticipants, severalConfigs, withName } from '../config/participants.ts';
import { readSecretFile } from '../config/secrets.ts';
import { settingsOf } from '../config/settings.ts';
import { CliError, toFailure } from '../run/failure.ts';
import { type Context, onRun } from '../run/globals.ts';

interface ParticipantOptions {
  readonly config?: readonly string[];
  /** True: the engine of the URL. */
  readonly printSql?: string | true;
}

export function defineParticipant(command: Command): void {
  const settings = settingsOf(participantConfigSchema);
  command
    .description(
      'Run the sidecar of a database: it executes statements, votes, finishes and recovers branches. With several --config, one process runs a sidecar for each. SIGTERM drains; a second one stops at once, which is safe too.',
    )
    .option(
      '--print-sql [engine]',
      'print the tables and grants to create by hand, and end; postgresql, mysql or mariadb (default: of the URL)',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ concordat participant --resource accounts --url-file /run/secrets/accounts-url
  $ concordat participant --config accounts.json --config orders.json
  $ concordat participant --print-sql mariadb | mariadb shop
`,
    );
  addSettingFlags(command, settings, severalConfigs());
  onRun<ParticipantOptions>(command, async (context, options) => {
    const flags = typedFlags(command, settings);
    if (options.printSql !== undefined) {
      const { printTables } = await import('./print-sql.ts');
      const url = flags.get('--url') ?? process.env['CONCORDAT_DATABASE_URL'];
      return printTables(context, options.printSql === true ? undefined : options.printSql, String(url ?? ''));
    }
    const loaded = loadParticipants(options.config, process.env, flags);
    for (const warning of new Set(loaded.flatMap(({ warnings }) => warnings))) {
      context.console.warn(warning);
    }
    return runParticipant(context, loaded);
  });
}

async function runParticipant({ console }: Context, loaded: readonly Loaded<ParticipantConfig>[]): Promise<number> {
  const configs = loaded.map(({ config }) => config);
  const [{ runSidecars }, { openLogger }, { serveUntilEnded }, { systemClock }, { systemRandom }] = await Promise.all([
    import('../../participants/sidecar/sidecars.ts'),
    import('../run/logger.ts'),
    import('../run/serve.ts'),
    import('../../lib/system-clock.ts'),
    import('../../lib/random.ts'),
  ]);
  const logger = openLogger(configs[0]?.logLevel ?? 'info', console);
  armFailpoints(process.env, logger);
  const ports = { clock: systemClock, random: systemRandom, logger };
  const starting = runSidecars(configs, ports, (config) => ({
    ...ports,
    logger: logger.child({ resource: config.resource }, { level: config.logLevel }),
    secret: { readUrl: urlReader(loaded.find((one) => one.config === config)) },
  }));
  const code = await serveUntilEnded(starting, (sidecars) => describe(configs, sidecars), console);
  const { failed } = await starting;
  if (failed?.failure !== undefined) {
    // A preflight that failed comes with one line for each finding.
    const { message, ...failure } = toFailure(failed.failure);
    const [first = '', ...details] = withName(configs, failed.resource, message).split('\n');
    throw new CliError({ ...failure, message: first, details, exit: code as typeof failure.exit }, failed.failure);
  }
  return code;
}

/** Reads the file of the URL again; undefined: the URL is in no file of its own. */
function urlReader(loaded: Loaded<ParticipantConfig> | undefined): (() => string) | undefined {
  const path = loaded?.resolved.find(({ setting }) => setting.key === 'url')?.secretPath;
  const allowReadable = loaded?.config.allowReadableSecrets === true;
  return path === undefined ? undefined : () => readSecretFile(path, { allowReadable });
}

function describe(configs: readonly ParticipantConfig[], { each }: Sidecars): string {
  const resources = each.map(({ resource, address }) => `${resource} at ${address}`).join(' and ');
  const coordinators = [...new Set(configs.map(({ coordinator }) => coordinator))].join(' and ');
  return `Concordat speaks for ${resources}, coordinator ${coordinators}. Ctrl-C drains, twice stops at once.`;
}
