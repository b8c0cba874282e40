// Every form that a transfer can have, ready to run.
import { join } from 'node:path';
import type { Concordat, TransactionOptions } from '../../src/client/index.ts';
import type { Contestant } from '../contestant.ts';
import { type Database, openSide } from '../sides.ts';
import type { Site } from '../site.ts';
import { batched, local, raw, rawWithEvidence } from './by-hand.ts';
import { inApp, oneShot, pooled, sidecars } from './concordat.ts';
import { openDecisions } from './decisions.ts';

export const FORMS = [
  'local',
  'raw',
  'raw-evidence',
  'batched',
  'interactive',
  'last',
  'one-shot',
  'in-app',
  'pool',
  'in-app-last',
] as const;
export type Form = (typeof FORMS)[number];

export interface Entered {
  readonly contestants: ReadonlyMap<Form, Contestant>;
  /** Forced writes so far: of the coordinator's log, and of the file in which `batched` has its decisions. */
  forcedWrites(): Promise<number>;
}

export interface Stage {
  readonly site: Pick<Site, 'directory' | 'forcedWrites'> & { readonly servers: readonly [Database, Database] };
  readonly concordat: Concordat;
  /** Clients at once, at most. */
  readonly clients: number;
  /** Of Concordat's transactions; its defaults if not given. */
  readonly options?: TransactionOptions;
}

/** @param stack closes what was opened. */
export function enterForms(forms: readonly Form[], stage: Stage, stack: AsyncDisposableStack): Entered {
  const { site, concordat, clients, options = {} } = stage;
  const { servers, directory } = site;
  const sides = [stack.use(openSide(servers[0], -1, clients)), stack.use(openSide(servers[1], 1, clients))] as const;
  const decisions = openDecisions(join(directory, 'decisions.db'));
  stack.defer(() => decisions.close());
  const make: Record<Form, () => Contestant> = {
    local: () => local(sides),
    raw: () => raw(sides),
    'raw-evidence': () => rawWithEvidence(sides),
    batched: () => batched(sides, decisions),
    interactive: () => sidecars(concordat, servers, false, options),
    last: () => sidecars(concordat, servers, true, options),
    'one-shot': () => oneShot(concordat, servers, options),
    'in-app': () => inApp(concordat, servers, clients, false, options),
    pool: () => pooled(concordat, servers, clients, options),
    'in-app-last': () => inApp(concordat, servers, clients, true, options),
  };
  const contestants = new Map<Form, Contestant>();
  for (const form of forms) {
    const contestant = make[form]();
    stack.defer(() => contestant[Symbol.asyncDispose]?.());
    contestants.set(form, contestant);
  }
  return { contestants, forcedWrites: async () => decisions.forcedWrites + (await site.forcedWrites()) };
}
