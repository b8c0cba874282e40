// Who repeats a request: a request id is one caller's own word, so that nobody is given what another one has begun (X18). Until callers
// have identities, a caller is who names the same token, and else the session or the connection.
import type { SessionHello__Output as SessionHello } from '../../gen/concordat/v1/SessionHello.ts';
import type { Whose } from '../../log/record.ts';
import type { UnaryCall } from '../../wire/unary.ts';
import { CALLER_TOKEN_BYTES_MAX } from '../../xa/limits.ts';
import { invalid } from './requests.ts';

export type Caller = string;

/** The metadata key with which a unary caller names itself, over all its connections. */
const CALLER_KEY = 'concordat-caller';
const TOKEN = /^[\x21-\x7e]*$/;

let sessions = 0;

/** @throws {CoordinatorError} FIELD_INVALID: the token is not one. */
export function callerOfCall(call: UnaryCall): Caller {
  const [token = ''] = call.metadata.get(CALLER_KEY);
  return token === '' ? `connection ${call.getPeer()}` : `token ${decodeToken(CALLER_KEY, String(token))}`;
}

/** @param token what its hello names; empty: nothing, and then each session is a caller of its own. */
export function callerOfSession(token: string): Caller {
  sessions += 1;
  return token === '' ? `session ${sessions}` : `token ${decodeToken('client', token)}`;
}

function decodeToken(field: string, token: string): string {
  if (token.length > CALLER_TOKEN_BYTES_MAX || !TOKEN.test(token)) {
    throw invalid(field, `must be at most ${CALLER_TOKEN_BYTES_MAX} printable ASCII characters without spaces`);
  }
  return token;
}

/** More is cut: it is written with every decision. */
const WHOSE_CHARS_MAX = 64;

/** For people and for the log, as the client says of itself. */
export function whoseOf({ application, host, user, client }: SessionHello): Whose {
  const [first, second, third, session] = [application, host, user, client].map((text) =>
    text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').slice(0, WHOSE_CHARS_MAX),
  );
  return { application: first ?? '', host: second ?? '', user: third ?? '', session: session ?? '' };
}
