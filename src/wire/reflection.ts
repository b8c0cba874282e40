// Server reflection, for people who try the wire with grpcurl and its like: they need no proto files then.
import type { Server } from '@grpc/grpc-js';
import { packageDefinition } from './proto.ts';

/**
 * Adds both versions of the reflection service, which tell of `services` and of what they use. The package is loaded here only: where it is
 * off, as by default, nothing of it is.
 */
export async function addReflection(server: Server, services: readonly string[]): Promise<void> {
  const { ReflectionService } = await import('@grpc/reflection');
  new ReflectionService(packageDefinition, { services: [...services] }).addToServer(server);
}
