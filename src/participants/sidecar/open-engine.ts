// The adapter for a database URL. Each driver is loaded only where it is used.
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { ResourceManager } from '../resource-manager.ts';

interface EngineConfig {
  readonly url: string;
  readonly maxBranches: number;
  /** MariaDB: end the session of a prepared branch, so that any session can finish it. */
  readonly detach: boolean;
}

/** Connects with the first call, not here. @throws {CoordinatorError} `CONFIG_INVALID`: no engine of ours has that scheme. */
export async function openEngine(
  config: EngineConfig,
  ports: { readonly clock: Clock; readonly random: Random },
): Promise<ResourceManager> {
  const { clock, random } = ports;
  const { url, maxBranches: poolMax } = config;
  if (URL.canParse(url) && new URL(url).port === '0') {
    throw new CoordinatorError('CONFIG_INVALID', 'the URL of the database has the port 0, at which nothing answers');
  }
  const scheme = url.slice(0, Math.max(0, url.indexOf(':')));
  switch (scheme) {
    case 'postgresql':
    case 'postgres': {
      const { openPostgresResourceManager } = await import('../postgres/resource-manager.ts');
      return openPostgresResourceManager({ url, poolMax, clock, instance: random.base32(12) });
    }
    case 'mysql':
    case 'mariadb': {
      const { openMysqlResourceManager } = await import('../mysql/resource-manager.ts');
      return openMysqlResourceManager({ url, poolMax, clock, instance: random.base32(12), detach: config.detach });
    }
    default:
      throw new CoordinatorError('CONFIG_INVALID', `url must start with postgresql://, mysql:// or mariadb://`);
  }
}
