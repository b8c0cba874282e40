// Unary calls over the simulated network: they arrive or not, and their answers do.
import type { Core } from '../../src/coordinator/core.ts';
import { CoordinatorError, type ErrorCode } from '../../src/xa/errors.ts';
import { UNARY_DEADLINE_MAX_MS } from '../../src/xa/limits.ts';
import type { Host } from './host.ts';
import type { Network } from './network.ts';

/**
 * One unary call. @throws {CoordinatorError} `CONNECTION_LOST` when the process ended before its answer left, `DEADLINE` after the
 * longest wait, or what the call was refused with.
 */
export function callOver<T>(
  network: Network,
  from: Host,
  server: () => { readonly host: Host; readonly core: Core | undefined } | undefined,
  action: (core: Core) => T | Promise<T>,
): Promise<T> {
  const { world } = network;
  return new Promise((resolve, reject) => {
    const fail = (code: ErrorCode): void => from.enter(() => reject(new CoordinatorError(code, 'no answer')));
    from.clock.after(UNARY_DEADLINE_MAX_MS, () => fail('DEADLINE'));
    world.after(network.latency(), () => {
      const { host, core } = server() ?? {};
      if (host === undefined || core === undefined) {
        fail('CONNECTION_LOST');
        return;
      }
      if (network.losesCall(from, host)) {
        return;
      }
      host.onKill(() => world.after(network.latency(), () => fail('CONNECTION_LOST')));
      const answer = (settle: () => void): void =>
        host.enter(() =>
          world.after(network.latency(), () => {
            if (host.alive && !network.losesCall(from, host)) {
              from.enter(settle);
            }
          }),
        );
      host.enter(() => {
        perform(core, action).then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        );
      });
    });
  });
}

async function perform<T>(core: Core, action: (core: Core) => T | Promise<T>): Promise<T> {
  return await action(core);
}
