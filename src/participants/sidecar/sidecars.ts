// The sidecars of one process, one for each database: started together, drained together.
import { CoordinatorError, EXIT } from '../../xa/errors.ts';
import { ResourceServers, type ServerPorts } from './resource-server.ts';
import { type OpenedSidecar, openSidecar, type Sidecar, type SidecarConfig, type SidecarPorts } from './sidecar.ts';

export interface Sidecars extends AsyncDisposable {
  readonly each: readonly Sidecar[];
  /** The exit code for the process, once all are over: of the first configuration whose sidecar failed, if one did. */
  readonly ended: Promise<number>;
  /** That one, which tells why it ended by itself. */
  readonly failed: Sidecar | undefined;
  /** SIGTERM or SIGINT: the first drains, the second stops at once. Safe either way. */
  signal(): void;
  /** SIGHUP: each reads its URL again, if that is in a file. */
  reload(): void;
}

/**
 * Starts a sidecar for each configuration. When one ends, whatever the reason, the others are drained: a process that speaks for only
 * some of its databases would look well to whoever watches it.
 * @param portsOf with a logger that names the resource.
 * @throws {CoordinatorError} `CONFIG_INVALID`: nothing was started.
 */
export async function runSidecars<Config extends SidecarConfig>(
  configs: readonly Config[],
  ports: ServerPorts,
  portsOf: (config: Config) => SidecarPorts,
): Promise<Sidecars> {
  refuseSameResource(configs);
  const servers = new ResourceServers(ports);
  const opened: OpenedSidecar[] = [];
  try {
    for (const config of configs) {
      opened.push(await openSidecar(config, portsOf(config), servers));
    }
    await servers.listen();
  } catch (error) {
    await Promise.all(opened.map((sidecar) => sidecar.close()));
    throw error;
  }
  // Only now: the one that cannot start must not find that another has created tables or attached already.
  const each = opened.map((sidecar) => sidecar.start());
  for (const sidecar of each) {
    void sidecar.ended.then(() => each.map((other) => other.stop()));
  }
  return {
    each,
    ended: Promise.all(each.map(({ ended }) => ended)).then(
      (codes) => codes.find((code) => code !== EXIT.ok) ?? EXIT.ok,
    ),
    get failed() {
      return each.find(({ failure }) => failure !== undefined);
    },
    signal: () => {
      for (const sidecar of each) {
        sidecar.signal();
      }
    },
    reload: () => {
      for (const sidecar of each) {
        sidecar.reload();
      }
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(each.map((sidecar) => sidecar.stop(0)));
    },
  };
}

/** @throws {CoordinatorError} `CONFIG_INVALID`: two databases would have one name. */
export function refuseSameResource(configs: readonly Pick<SidecarConfig, 'resource'>[]): void {
  const names = configs.map(({ resource }) => resource);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    const message = `${twice} is configured twice: each database needs a resource name of its own, in its own file, since flags and environment variables count for all`;
    throw new CoordinatorError('CONFIG_INVALID', message);
  }
}
