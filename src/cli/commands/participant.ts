// `concordat participant`: settings in, a sidecar that speaks for one database out, and its exit code when it is over.
import type { Command } from 'commander';
import { armFailpoints } from '../../lib/failpoint.ts';
import { type ParticipantConfig, participantConfigSchema } from '../../participants/config.ts';
import { addSettingFlags, typedFlags } from '../config/flags.ts';
import { loadConfig } from '../config/load.ts';
import { settingsOf } from '../config/settings.ts';
import { CliError, toFailure } from '../failure.ts';
import { type Context, onRun } from '../globals.ts';

interface ParticipantOptions {
  readonly config?: string;
  /** True: the engine of the URL. */
  readonly printSql?: string | true;
}

export function defineParticipant(command: Command): void {
  const settings = settingsOf(participantConfigSchema);
  command
    .description(
      'Run the sidecar of one database: it executes statements, votes, finishes and recovers branches. SIGTERM drains; a second one stops at once, which is safe too.',
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
  $ concordat participant --print-sql mariadb | mariadb shop
`,
    );
  addSettingFlags(command, settings);
  onRun<ParticipantOptions>(command, async (context, options) => {
    const flags = typedFlags(command, settings);
    if (options.printSql !== undefined) {
      const { printTables } = await import('./print-sql.ts');
      const url = flags.get('--url') ?? process.env['CONCORDAT_DATABASE_URL'];
      return printTables(context, options.printSql === true ? undefined : options.printSql, String(url ?? ''));
    }
    const { config, warnings } = loadConfig(participantConfigSchema, {
      configPath: options.config,
      env: process.env,
      flags,
    });
    for (const warning of warnings) {
      context.console.warn(warning);
    }
    return runParticipant(context, config);
  });
}

async function runParticipant({ console }: Context, config: ParticipantConfig): Promise<number> {
  const [{ runSidecar }, { openLogger }, { serveUntilEnded }, { systemClock }, { systemRandom }] = await Promise.all([
    import('../../participants/sidecar.ts'),
    import('../logger.ts'),
    import('../serve.ts'),
    import('../../lib/system-clock.ts'),
    import('../../lib/random.ts'),
  ]);
  const logger = openLogger(config.logLevel, console);
  armFailpoints(process.env, logger);
  const starting = runSidecar(config, { clock: systemClock, random: systemRandom, logger });
  const code = await serveUntilEnded(starting, ({ address }) => describe(config, address), console);
  const sidecar = await starting;
  if (sidecar.failure !== undefined) {
    // A preflight that failed comes with one line for each finding.
    const { message, ...failure } = toFailure(sidecar.failure);
    const [first = '', ...details] = message.split('\n');
    throw new CliError({ ...failure, message: first, details, exit: code as typeof failure.exit }, sidecar.failure);
  }
  return code;
}

function describe(config: ParticipantConfig, address: string): string {
  return `Concordat speaks for ${config.resource} at ${address}, coordinator ${config.coordinator}. Ctrl-C drains, twice stops at once.`;
}
