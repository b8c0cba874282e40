// How far a participant's stream has come.
import type { AttachHello__Output as AttachHello } from '../../gen/concordat/v1/AttachHello.ts';
import type { Link } from '../calls/directory.ts';

export type Phase =
  | { readonly kind: 'greeting' }
  /** The resource is being registered; what comes meanwhile is early. */
  | { readonly kind: 'registering' }
  /** Welcomed; it is making the epoch durable in its engine. */
  | { readonly kind: 'readying'; readonly hello: AttachHello; readonly link: Link }
  /** Ready; whether it is at the same database as those that are attached is looked at. */
  | { readonly kind: 'comparing'; readonly link: Link }
  | { readonly kind: 'attached'; readonly link: Link }
  | { readonly kind: 'ended' };
