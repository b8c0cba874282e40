// How a client comes to be: its session with the coordinator, its streams to the sidecars, and the wait until it can be used.
import type { Clock } from '../lib/clock.ts';
import { type Random, systemRandom } from '../lib/random.ts';
import { systemClock } from '../lib/system-clock.ts';
import { CONNECT_TIMEOUT_DEFAULT_MS, OUTCOME_TIMEOUT_DEFAULT_MS } from '../xa/times.ts';
import { Concordat } from './concordat.ts';
import { type ConnectOptions, checkMilliseconds } from './public/options.ts';
import { Ambient } from './scope/ambient.ts';
import { type ClientSettings, CoordinatorSession } from './session/coordinator-session.ts';
import { ResourceLinks } from './session/resource-links.ts';
import { Embedding } from './work/embedding.ts';

/** What is given in tests only. */
interface TestParts {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Connects to the coordinator at `address`, host and port.
 * @throws {ConcordatError} CONNECTION_LOST after `connectTimeoutMs`, naming the address; the signal's reason; {RangeError}
 */
export async function connect(
  address: string,
  options: ConnectOptions = {},
  environment: TestParts = { clock: systemClock, random: systemRandom },
): Promise<Concordat> {
  checkMilliseconds('connectTimeoutMs', options.connectTimeoutMs);
  checkMilliseconds('outcomeTimeoutMs', options.outcomeTimeoutMs);
  options.signal?.throwIfAborted();
  const links = new ResourceLinks(options.logger);
  const settings: ClientSettings = {
    address,
    application: options.application ?? '',
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_DEFAULT_MS,
    logger: options.logger,
    onAddresses: (addresses) => links.keep(addresses),
    ...environment,
  };
  const session = new CoordinatorSession(settings);
  const outcomeTimeoutMs = options.outcomeTimeoutMs ?? OUTCOME_TIMEOUT_DEFAULT_MS;
  const concordat = new Concordat({
    session,
    links,
    embedding: new Embedding(settings),
    ambient: new Ambient(),
    outcomeTimeoutMs,
  });
  try {
    await concordat.ready(options.signal === undefined ? {} : { signal: options.signal });
    return concordat;
  } catch (error) {
    await concordat.close();
    throw error;
  }
}
