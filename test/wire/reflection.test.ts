// Server reflection as a stranger's client uses it: it knows an address, asks what is there, and calls it.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Client, credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { runSidecars } from '../../src/participants/sidecar/sidecars.ts';
import { MemoryEngine } from '../../src/testing/engine/engine.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import { openSystem } from '../coordinator/fixture.ts';

const PACKAGE = dirname(createRequire(import.meta.url).resolve('@grpc/reflection/package.json'));
const PROTO = join(PACKAGE, 'build/proto/grpc/reflection/v1/reflection.proto');

interface Answer {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Uint8Array[] };
}

/** The constructor that is called `name`, in whichever package. */
function serviceOf(definition: Parameters<typeof loadPackageDefinition>[0], name: string): ServiceClientConstructor {
  return name
    .split('.')
    .reduce<unknown>(
      (within, part) => (within as Record<string, unknown>)[part],
      loadPackageDefinition(definition),
    ) as ServiceClientConstructor;
}

/** One question, on a stream of its own. @throws {ServiceError} */
async function ask(address: string, question: object): Promise<Answer> {
  const Reflection = serviceOf(loadSync(PROTO, { oneofs: true }), 'grpc.reflection.v1.ServerReflection');
  const client = new Reflection(address, credentials.createInsecure());
  try {
    const stream = client['ServerReflectionInfo']?.() as NodeJS.ReadWriteStream & { write(message: object): void };
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    stream.on('data', resolve).on('error', reject);
    stream.write(question);
    const answer = await promise;
    stream.end();
    return answer;
  } finally {
    client.close();
  }
}

const services = async (address: string): Promise<readonly string[]> =>
  (await ask(address, { listServices: '' })).listServicesResponse?.service.map(({ name }) => name) ?? [];

/** A client of a service, made of nothing but what the server tells of it. */
async function clientOf(address: string, name: string): Promise<Client> {
  const { fileDescriptorResponse } = await ask(address, { fileContainingSymbol: name });
  const set = new protobuf.Writer();
  for (const file of fileDescriptorResponse?.fileDescriptorProto ?? []) {
    set.uint32((1 << 3) | 2).bytes(file); // FileDescriptorSet.file
  }
  const definition = loadFileDescriptorSetFromBuffer(Buffer.from(set.finish()), { longs: String, enums: String });
  return new (serviceOf(definition, name))(address, credentials.createInsecure());
}

describe('server reflection', () => {
  test('tells of the coordinator’s services, and enough of them to begin a transaction', async () => {
    await using system = await openSystem({ reflection: true });
    expect(await services(system.address)).toEqual([
      'concordat.v1.TransactionService',
      'concordat.v1.ParticipantService',
      'concordat.v1.AdminService',
    ]);
    const client = await clientOf(system.address, 'concordat.v1.TransactionService');
    const begun = await new Promise<{ gtrid: string; timeoutMs: number }>((resolve, reject) => {
      const begin = (client as unknown as Record<string, (...args: unknown[]) => void>)['Begin'];
      begin?.call(client, { timeoutMs: 1_234 }, (error: Error | null, answer: never) =>
        error ? reject(error) : resolve(answer),
      );
    });
    client.close();
    expect(begun.timeoutMs).toBe(1_234);
    expect((await system.info(begun.gtrid)).state).toBe('TRANSACTION_STATE_ACTIVE');
  });

  test('is not there unless it is switched on', async () => {
    await using system = await openSystem();
    await expect(services(system.address)).rejects.toMatchObject({ code: 12 }); // UNIMPLEMENTED
  });

  test('tells of a sidecar’s service', async () => {
    const silence = (): void => undefined;
    const logger = { debug: silence, info: silence, warn: silence, error: silence, fatal: silence };
    const engine = new MemoryEngine('engine-of-orders');
    const ports = {
      ...{ clock: systemClock, random: systemRandom, logger },
      openEngine: () => openMemoryResourceManager({ engine, clock: systemClock, poolMax: 4 }),
    };
    const config = {
      ...{
        resource: 'orders',
        url: 'memory:',
        coordinator: '127.0.0.1:1',
        listen: '127.0.0.1:0',
        advertise: undefined,
      },
      ...{ maxBranches: 4, detach: false, drainGraceMs: 0, reflection: true },
    };
    await using sidecars = await runSidecars([config], ports, () => ports);
    expect(await services(sidecars.each[0]?.address ?? '')).toEqual(['concordat.v1.ResourceService']);
  });
});
