// `concordat coordinator`: settings in, a serving coordinator out, and its exit code when it is over.
import type { Command } from 'commander';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { armFailpoints } from '../../lib/failpoint.ts';
import { addSettingFlags, typedFlags } from '../config/flags.ts';
import { loadConfig } from '../config/load.ts';
import { settingsOf } from '../config/settings.ts';
import { onRun } from '../run/globals.ts';

export function defineCoordinator(command: Command): void {
  const settings = settingsOf(coordinatorConfigSchema);
  command
    .description(
      'Run the coordinator. SIGTERM drains: no new transactions, open ones may finish; a second one stops at once, which is safe too.',
    )
    .addHelpText('after', '\nExample:\n  $ concordat coordinator --data-dir /var/lib/concordat\n');
  addSettingFlags(command, settings);
  onRun<{ readonly config?: string }>(command, async ({ console }, options) => {
    const flags = typedFlags(command, settings);
    const { config, warnings } = loadConfig(coordinatorConfigSchema, {
      configPath: options.config,
      env: process.env,
      flags,
    });
    for (const warning of warnings) {
      console.warn(warning);
    }
    const [
      { runCoordinator },
      { openLogger },
      { serveUntilEnded },
      { systemClock },
      { systemRandom },
      { productVersion },
    ] = await Promise.all([
      import('../../coordinator/main.ts'),
      import('../run/logger.ts'),
      import('../run/serve.ts'),
      import('../../lib/system-clock.ts'),
      import('../../lib/random.ts'),
      import('../../wire/version.ts'),
    ]);
    const logger = openLogger(config.logLevel, console);
    armFailpoints(process.env, logger);
    const code = await serveUntilEnded(
      runCoordinator(config, { clock: systemClock, random: systemRandom, logger }),
      (program) =>
        `Concordat ${productVersion()} serves at ${program.address}, health at http://${program.adminAddress}/readyz, log in ${config.dataDir}. Ctrl-C drains, twice stops at once.`,
      console,
    );
    // A failed log must not be touched any more, by nobody: the process goes now, with whatever is still open.
    process.exit(code);
  });
}
