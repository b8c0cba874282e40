// A participant's hello, decoded once: who speaks for which engine. What goes to the log, the directory and people is bounded here.
import type { AttachHello__Output as AttachHello } from '../gen/concordat/v1/AttachHello.ts';
import { PROTOCOL_VERSION } from '../wire/version.ts';
import { CoordinatorError } from '../xa/errors.ts';
import { REASON_CHARS_MAX } from '../xa/limits.ts';
import type { Link } from './directory.ts';
import { decodeInstance, decodeResource, decodeText, invalid } from './requests.ts';

export type Introduction = Pick<
  Link,
  'resource' | 'instance' | 'kind' | 'address' | 'engine' | 'engineVersion' | 'engineIdentity' | 'warnings'
>;

const ENGINE_CHARS_MAX = 200;
const ADDRESS_CHARS_MAX = 300;
const WARNINGS_MAX = 50;

/** @throws {CoordinatorError} PROTOCOL, FIELD_INVALID */
export function decodeHello(hello: AttachHello): Introduction {
  if (hello.protocolVersion !== PROTOCOL_VERSION) {
    throw new CoordinatorError(
      'PROTOCOL',
      `this coordinator speaks protocol ${PROTOCOL_VERSION}, the participant ${hello.protocolVersion}`,
    );
  }
  const instance = decodeInstance(hello.instance);
  if (instance === '') {
    throw invalid('instance', 'must not be empty');
  }
  if (hello.kind !== 'PARTICIPANT_KIND_SIDECAR' && hello.kind !== 'PARTICIPANT_KIND_EMBEDDED') {
    throw invalid('kind', 'must be SIDECAR or EMBEDDED');
  }
  return {
    resource: decodeResource(hello.resource),
    instance,
    kind: hello.kind === 'PARTICIPANT_KIND_SIDECAR' ? 'sidecar' : 'embedded',
    address: decodeText('address', hello.address, 0, ADDRESS_CHARS_MAX),
    engine: decodeText('engine', hello.engine, 1, ENGINE_CHARS_MAX),
    engineVersion: decodeText('engine_version', hello.engineVersion, 0, ENGINE_CHARS_MAX),
    engineIdentity: decodeText('engine_identity', hello.engineIdentity, 1, ENGINE_CHARS_MAX),
    warnings: hello.warnings.slice(0, WARNINGS_MAX).map((warning) => warning.slice(0, REASON_CHARS_MAX)),
  };
}

/**
 * `served`: the highest epoch of this log that the participant's engine has recorded. It may learn later, too, that it is newer than
 * ours: then another coordinator has taken over.
 * @throws {CoordinatorError} EPOCH_STALE
 */
export function checkEpoch({ resource }: Pick<Link, 'resource'>, served: number, own: number): void {
  if (served > own) {
    throw new CoordinatorError(
      'EPOCH_STALE',
      `the engine of ${resource} has served epoch ${served} of this log, and this coordinator runs epoch ${own}: it runs on an old copy`,
    );
  }
}
