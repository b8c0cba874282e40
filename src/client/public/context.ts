// The transaction's context: one line of text that travels to other services in call metadata, so that they can join. docs/context.md
// is the contract.
import { type Gtrid, parseGtrid } from '../../xa/xid.ts';

/** The metadata key, or HTTP header, under which services pass the context on. */
export const CONTEXT_KEY = 'concordat-context';

const VERSION = '1';

export function formatContext(gtrid: Gtrid): string {
  return `${VERSION};${gtrid}`;
}

/** @throws {TypeError} for text that `Transaction.context` never gave, or that a newer client gave. */
export function parseContext(context: string): Gtrid {
  const [version, id, ...rest] = context.split(';');
  if (version !== VERSION && id !== undefined && /^[1-9][0-9]{0,3}$/.test(version ?? '')) {
    throw new TypeError(
      `the context has version ${version}, and this client reads version ${VERSION}: refuse the call, and upgrade this service`,
    );
  }
  const gtrid = parseGtrid(id ?? '');
  if (version !== VERSION || gtrid === undefined || rest.length > 0) {
    throw new TypeError('not the context of a Concordat transaction; pass on what Transaction.context gave');
  }
  return gtrid;
}
