// A participant's hello, decoded once: who speaks for which engine. What goes to the log, the directory and people is bounded here.
import type { AttachHello__Output as AttachHello } from '../../gen/concordat/v1/AttachHello.ts';
import type { ParticipantKind__Output as ParticipantKind } from '../../gen/concordat/v1/ParticipantKind.ts';
import type { Ready__Output as Ready } from '../../gen/concordat/v1/Ready.ts';
import type { RecoveredLog } from '../../log/log.ts';
import { fromEnum } from '../../wire/enums.ts';
import { agreedProtocol } from '../../wire/protocol.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { ADDRESS_BYTES_MAX, ENGINE_BYTES_MAX, ENGINE_IDENTITY_BYTES_MAX } from '../../xa/limits.ts';
import { EPOCH_LEAP_MAX, LIFE_TOKEN_LENGTH } from '../../xa/xid.ts';
import type { Link } from '../calls/directory.ts';
import { decodeInstance, decodeResource, decodeText, escaped, invalid } from '../edge/requests.ts';

export type Introduction = Pick<
  Link,
  'resource' | 'instance' | 'kind' | 'address' | 'engine' | 'engineVersion' | 'engineIdentity' | 'warnings'
>;

const WARNINGS_MAX = 50;

const KINDS = {
  PARTICIPANT_KIND_UNSPECIFIED: undefined,
  PARTICIPANT_KIND_SIDECAR: 'sidecar',
  PARTICIPANT_KIND_EMBEDDED: 'embedded',
} as const satisfies Record<ParticipantKind, Link['kind'] | undefined>;

/** @throws {CoordinatorError} PROTOCOL, FIELD_INVALID */
export function decodeHello(hello: AttachHello): Introduction {
  agreedProtocol('participant', hello);
  const instance = decodeInstance(hello.instance);
  if (instance === '') {
    throw invalid('instance', 'must not be empty');
  }
  const kind = fromEnum<Link['kind']>(KINDS, hello.kind);
  if (kind === undefined) {
    throw invalid('kind', 'must be SIDECAR or EMBEDDED');
  }
  return {
    resource: decodeResource(hello.resource),
    instance,
    kind,
    address: decodeBytes('address', hello.address, 0, ADDRESS_BYTES_MAX),
    engine: decodeBytes('engine', hello.engine, 1, ENGINE_BYTES_MAX),
    engineVersion: decodeBytes('engine_version', hello.engineVersion, 0, ENGINE_BYTES_MAX),
    engineIdentity: decodeBytes('engine_identity', hello.engineIdentity, 1, ENGINE_IDENTITY_BYTES_MAX),
    warnings: hello.warnings.slice(0, WARNINGS_MAX).map((warning) => escaped(warning)),
  };
}

/** These go to the log and into every client's directory, so that their bytes count. */
function decodeBytes(field: string, text: string, bytesMin: number, bytesMax: number): string {
  if (Buffer.byteLength(text) > bytesMax) {
    throw invalid(field, `must be at most ${bytesMax} bytes`);
  }
  return decodeText(field, text, bytesMin, bytesMax);
}

/**
 * `served`: the newest life of this log that the participant's engine has recorded. It may learn later, too, that it is another one than
 * ours: then another coordinator has taken over. A participant that tells no token is judged by the epoch.
 * @returns the other life that was served; undefined: ours.
 * @throws {CoordinatorError} EPOCH_LEAP
 */
export function checkLife(
  { resource }: Pick<Link, 'resource'>,
  served: Ready,
  own: RecoveredLog,
): { readonly epoch: number; readonly token: string } | undefined {
  const epoch = Number(served.epoch);
  if (epoch < own.epoch) {
    throw new CoordinatorError(
      'EPOCH_LEAP',
      `the database of ${resource} knows epoch ${epoch} of this log, and this coordinator runs epoch ${own.epoch}; a leap of more than ${EPOCH_LEAP_MAX} is not believed`,
    );
  }
  if (epoch > own.epoch || (served.lifeToken !== '' && served.lifeToken !== own.token)) {
    return { epoch, token: served.lifeToken.slice(0, LIFE_TOKEN_LENGTH) };
  }
  return undefined;
}
