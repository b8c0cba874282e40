// The public wire, loaded once from proto/: service definitions, client constructors and message codecs.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import {
  fromJSON,
  type MessageTypeDefinition,
  type MethodDefinition,
  type Options,
  type PackageDefinition,
} from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import type { ProtoGrpcType as AdminTypes } from '../gen/admin.ts';
import type { ProtoGrpcType as ParticipantTypes } from '../gen/participant.ts';
import type { ProtoGrpcType as ResourceTypes } from '../gen/resource.ts';
import type { ProtoGrpcType as TransactionTypes } from '../gen/transaction.ts';
import { codecOf } from './codec.ts';
import { readRequest } from './request.ts';

/** Kept equal to the flags in scripts/gen/main.ts: 64-bit integers and enum values are strings, absent scalars their defaults. */
const OPTIONS: Options = { longs: String, enums: String, defaults: true, oneofs: true };

const FILES = ['transaction', 'participant', 'resource', 'admin'].map((name) => `concordat/v1/${name}.proto`);

/** The proto folder stands beside src/ in a checkout and beside dist/ in the package. */
function protoFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'proto', 'concordat'))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new Error('The proto/ folder of Concordat is missing beside its code: reinstall the package.');
    }
    folder = parent;
  }
  return join(folder, 'proto');
}

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => join(protoFolder(), target);
root.loadSync([...FILES, 'concordat/v1/error_details.proto']).resolveAll();
const definition = fromJSON(root.toJSON(), OPTIONS);
for (const service of ['TransactionService', 'ParticipantService', 'ResourceService', 'AdminService']) {
  for (const method of Object.values(definition[`concordat.v1.${service}`] ?? {})) {
    useCodecs(service, method);
  }
}
const loaded = loadPackageDefinition(definition) as unknown as AdminTypes &
  ParticipantTypes &
  ResourceTypes &
  TransactionTypes;

export const wire: AdminTypes['concordat']['v1'] &
  ParticipantTypes['concordat']['v1'] &
  ResourceTypes['concordat']['v1'] &
  TransactionTypes['concordat']['v1'] = loaded.concordat.v1 as never;

/** Our own codecs: cheaper where the messages are, in the batched streams, and counting what they read wherever somebody else wrote it. */
function useCodecs(service: string, method: MethodDefinition<object, object>): void {
  const { resolvedRequestType, resolvedResponseType } =
    root.lookupService(`concordat.v1.${service}`).methods[method.path.slice(method.path.lastIndexOf('/') + 1)] ?? {};
  if (!resolvedRequestType || !resolvedResponseType) {
    throw new Error(`The proto folder does not define ${method.path}: reinstall the package.`);
  }
  const request = codecOf(resolvedRequestType.fullName.slice(1));
  const response = codecOf(resolvedResponseType.fullName.slice(1));
  method.requestSerialize = request.encode;
  method.requestDeserialize = (bytes) => readRequest(request, bytes);
  method.responseSerialize = response.encode;
  // What a peer answers that we chose ourselves is bounded by its bytes.
  method.responseDeserialize = (bytes) => response.decode(bytes);
}

/** Codec of a message by its full name, for the messages that travel inside others. */
export function messageType<T>(fullName: string): MessageTypeDefinition<Partial<T>, T> {
  const type = definition[fullName];
  if (type === undefined || !('serialize' in type)) {
    throw new Error(`The proto folder does not define ${fullName}: reinstall the package.`);
  }
  return type as MessageTypeDefinition<Partial<T>, T>;
}

/** All of it, for server reflection. */
export const packageDefinition: PackageDefinition = definition;

export type { ServiceDefinition };
