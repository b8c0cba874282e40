// Call metadata is somebody else's memory: it is counted before a handler looks at it.
import type { Metadata } from '@grpc/grpc-js';
import { CoordinatorError } from '../xa/errors.ts';
import { METADATA_BYTES_MAX, METADATA_PAIRS_MAX } from '../xa/limits.ts';

/** @throws {CoordinatorError} `LIMIT_METADATA` */
export function checkMetadata(metadata: Metadata): void {
  let pairs = 0;
  let bytes = 0;
  for (const [key, values] of Object.entries(metadata.toJSON())) {
    for (const value of values) {
      pairs += 1;
      bytes += key.length + value.length;
    }
  }
  if (pairs > METADATA_PAIRS_MAX || bytes > METADATA_BYTES_MAX) {
    const message = `call metadata is limited to ${METADATA_PAIRS_MAX} pairs and ${METADATA_BYTES_MAX} bytes`;
    throw new CoordinatorError('LIMIT_METADATA', message);
  }
}
