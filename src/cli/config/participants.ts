// The settings of `concordat participant`, one set for each --config: one process may speak for several databases.
import { Option } from 'commander';
import { type ParticipantConfig, participantConfigSchema } from '../../participants/sidecar/config.ts';
import { CliError, configError, toFailure } from '../run/failure.ts';
import { type Loaded, loadConfig } from './load.ts';
import { describeOrigin, type Environment } from './sources.ts';

const CONFIG_HELP =
  'JSON file with settings; given several times, one process speaks for several databases; also CONCORDAT_CONFIG (default: none)';

/** `--config`, as often as there are databases. */
export function severalConfigs(): Option {
  const collect = (file: string, files: readonly string[] = []): readonly string[] => [...files, file];
  return new Option('--config <file>', CONFIG_HELP).argParser(collect);
}

/** @throws {CliError} CONFIG_INVALID, with every problem of the first file that has one, and its name. */
export function loadParticipants(
  configs: readonly string[] | undefined,
  env: Environment,
  flags: ReadonlyMap<string, string | boolean>,
): readonly Loaded<ParticipantConfig>[] {
  const files = configs ?? [undefined];
  const loaded = files.map((configPath) => {
    try {
      return loadConfig(participantConfigSchema, { configPath, env, flags });
    } catch (error) {
      const failure = toFailure(error);
      throw new CliError({ ...failure, message: withName(files, configPath, failure.message) }, error);
    }
  });
  refuseOneUrlForAll(loaded);
  return loaded;
}

/** The environment and flags hold for every file: a URL from there would make one database of all of them. */
function refuseOneUrlForAll(loaded: readonly Loaded<ParticipantConfig>[]): void {
  const [url] = loaded.flatMap(({ resolved }) => resolved.filter(({ setting }) => setting.key === 'url'));
  if (loaded.length > 1 && (url?.origin.kind === 'environment' || url?.origin.kind === 'flag')) {
    throw configError(
      `${describeOrigin(url.origin)} gives the same database to all ${loaded.length} files: leave it out, each file has its own url.`,
    );
  }
}

/** The message, with a name in front where there are several that it could be of. */
export function withName(all: readonly unknown[], name: string | undefined, message: string): string {
  return all.length > 1 ? `${name}: ${message}` : message;
}

/**
 * What the program itself would refuse before it connects: the adapters read the URLs, and the files that they name.
 * @throws {CliError} CONFIG_INVALID, with every problem.
 */
export async function checkParticipants(configs: readonly ParticipantConfig[]): Promise<void> {
  const [{ openEngine }, { refuseSameResource }, { systemClock }, { systemRandom }] = await Promise.all([
    import('../../participants/sidecar/open-engine.ts'),
    import('../../participants/sidecar/sidecars.ts'),
    import('../../lib/system-clock.ts'),
    import('../../lib/random.ts'),
  ]);
  const problems: string[] = [];
  for (const config of configs) {
    try {
      const engine = await openEngine(config, { clock: systemClock, random: systemRandom });
      await engine[Symbol.asyncDispose]();
    } catch (error) {
      const { message } = toFailure(error);
      const named = message.replace(/^the URL of the database /, 'url ');
      problems.push(withName(configs, config.resource, named === message ? `url: ${message}` : named));
    }
  }
  try {
    refuseSameResource(configs);
  } catch (error) {
    problems.push(toFailure(error).message);
  }
  if (problems.length > 0) {
    throw configError(
      problems.length === 1 ? 'A setting is wrong.' : `${problems.length} settings are wrong.`,
      problems,
    );
  }
}
