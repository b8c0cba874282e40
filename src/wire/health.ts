// The health service, with its streams bounded: each connection may have a hundred, and connections are not counted.
import type { Server, ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { HealthImplementation } from 'grpc-health-check';
import { CoordinatorError } from '../xa/errors.ts';
import { HEALTH_WATCHES_MAX } from '../xa/limits.ts';
import { toStatus } from './status.ts';

type WatchStream = ServerWritableStream<{ readonly service: string }, { readonly status: string }>;
type Watch = (call: WatchStream) => void;

/** `names`: all that `health` will ever answer for. Of others it would keep the name of whoever once asked. */
export function addHealth(server: Server, health: HealthImplementation, names: readonly string[]): void {
  health.addToServer({
    addService: (service: Parameters<Server['addService']>[0], handlers: UntypedServiceImplementation) => {
      const watch = handlers['watch'] as unknown as Watch;
      server.addService(service, { ...handlers, watch: bounded(watch, new Set(names)) as never });
    },
  } as Parameters<HealthImplementation['addToServer']>[0]);
}

function bounded(watch: Watch, names: ReadonlySet<string>): Watch {
  const open = new Set<WatchStream>();
  return (call) => {
    if (open.size >= HEALTH_WATCHES_MAX) {
      const error = new CoordinatorError('LIMIT_SESSIONS', `${open.size} health watches are open already`);
      call.emit('error', toStatus(error));
      return;
    }
    open.add(call);
    const over = (): boolean => open.delete(call);
    call.once('cancelled', over);
    call.once('close', over);
    if (names.has(call.request.service)) {
      watch(call);
    } else {
      call.write({ status: 'SERVICE_UNKNOWN' }); // And never anything else, as the protocol of health has it.
    }
  };
}
