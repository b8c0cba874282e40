// The public wire, as `npm run gen` read it from proto/: service definitions, client constructors and message codecs.
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
import { DEFINITION } from '../gen/definition.ts';
import type { ProtoGrpcType as ParticipantTypes } from '../gen/participant.ts';
import type { ProtoGrpcType as ResourceTypes } from '../gen/resource.ts';
import type { ProtoGrpcType as TransactionTypes } from '../gen/transaction.ts';
import { codecOf } from './codec.ts';
import { readRequest } from './request.ts';

/** Kept equal to the flags in scripts/gen/main.ts: 64-bit integers and enum values are strings, absent scalars their defaults. */
const OPTIONS: Options = { longs: String, enums: String, defaults: true, oneofs: true };

const root = protobuf.Root.fromJSON(DEFINITION).resolveAll();
const definition = fromJSON(DEFINITION, OPTIONS);
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
    throw new Error(`The wire does not define ${method.path}: run \`npm run gen\`, or reinstall the package.`);
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
    throw new Error(`The wire does not define ${fullName}: run \`npm run gen\`, or reinstall the package.`);
  }
  return type as MessageTypeDefinition<Partial<T>, T>;
}

/** All of it, for server reflection. */
export const packageDefinition: PackageDefinition = definition;

export type { ServiceDefinition };
