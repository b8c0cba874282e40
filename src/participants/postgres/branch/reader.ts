// Whether a branch without a transaction number did nothing but read: only then may it be committed before the decision. Locks of its
// own must last until then (P13), and so must notifications that it sent, which no view of the engine shows (R17). So it is asked which
// locks it holds, and whether anything that it named, or that a view or a policy that it used names, could have done more than read.
import type { Reason } from '../../../xa/vocabulary.ts';
import type { BatchStep, StepResult } from '../protocol/batch.ts';
import type { Reading } from '../sql/statement.ts';

/** Names that are kept of one branch; beyond, it counts as one that may have done anything. */
const NAMES_MAX = 500;

/**
 * Qualified, for the application may have put another schema in front. With an empty list of values it is a statement that the session
 * keeps, which costs the engine next to nothing.
 */
export const XID_IF_ANY_STEP: BatchStep = {
  text: 'select pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text',
  values: [],
};

/** What the statements of a branch have done, or may have done, as their words and the engine's answers tell. */
export class Footprint {
  /** The transaction has a number, which it gets with its first write. */
  hasWritten = false;
  /** `hasWritten` is certain: false does not only mean that nothing was seen. */
  isCertain: boolean;
  /** It has locked a table by name. */
  #locks = false;
  /** Whatever its statements may have named; undefined: they may have done anything. */
  #names: ReadonlySet<string> | undefined = new Set();

  constructor(isCertain: boolean) {
    this.isCertain = isCertain;
  }

  get locks(): boolean {
    return this.#locks;
  }

  get names(): ReadonlySet<string> | undefined {
    return this.#names;
  }

  /** Of interest until it has written. */
  add({ locks, names }: Reading): void {
    if (!this.hasWritten) {
      this.#locks ||= locks;
      const all = this.#names === undefined || names === undefined ? undefined : new Set([...this.#names, ...names]);
      this.#names = all === undefined || all.size > NAMES_MAX ? undefined : all;
    }
  }
}

/** Why a branch that was opened read-only votes no. */
export const HOLDS_BUT_READ_ONLY: Reason = {
  code: 'STATEMENT_REFUSED',
  message:
    'the branch holds locks that must last until the decision, and a read-only branch cannot leave the row that proves its end: open it without `readOnly`',
  retryable: false,
};

/** Objects of the system have lower numbers than any that a user made: FirstNormalObjectId of the server's sources. */
const FIRST_OF_USERS = 16384;
/** Built in and volatile, and yet they do nothing that lasts. */
const HARMLESS = ['clock_timestamp', 'gen_random_uuid', 'pg_sleep', 'random', 'timeofday', 'uuidv7'];

/** The function may do anything: it is not the server's own, or it is one that acts, or executes a text or reads a view that it is given. */
const mayAct = (p: string): string =>
  `(${p}.oid >= ${FIRST_OF_USERS} or ${p}.proname like '%_to_xml%' or
    ${p}.provolatile = 'v' and ${p}.proname <> all ('{${HARMLESS.join(',')}}'::name[]))`;

/** An expression as the catalogue stores it calls such a function; operators, aggregates and windows are functions, too. */
const treeMayAct = (tree: string): string =>
  `exists (select from regexp_matches(${tree}::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') as f (ids)
    join pg_proc p on p.oid = f.ids[1]::oid where ${mayAct('p')})`;

/**
 * The table calls something by itself when a statement uses it: by a view, a rule, a trigger, or a policy. A foreign table has its
 * writes and locks at another server, under no number of this one, and a COMMIT here ends them there.
 */
const RELATION_MAY_ACT = `exists (select from pg_class c where c.oid = l.relation and case
  when c.relkind = 'v' then exists (select from pg_rewrite w where w.ev_class = c.oid and ${treeMayAct('w.ev_action')})
  when c.relkind = 'f' then l.mode <> 'AccessShareLock'
  else c.relhasrules and c.relkind in ('r', 'p')
    or c.relhastriggers and l.mode = 'RowExclusiveLock'
      and exists (select from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal)
    or c.relrowsecurity and exists (select from pg_policy y where y.polrelid = c.oid
      and (${treeMayAct('y.polqual')} or ${treeMayAct('y.polwithcheck')}))
  end)`;

/** Locks that no statement takes on its way: somebody wanted them. */
const HOLDS = `exists (select from l
  where l.locktype <> 'relation' or l.mode not in ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))`;
/** Statements that found no row leave these; where functions may have run, they may be there on purpose. */
const HOLDS_WEAK = `exists (select from l where l.mode in ('RowShareLock', 'RowExclusiveLock'))`;

const RELATIONS_MAY_ACT = `exists (select from l
  where case when l.locktype <> 'relation' or l.relation < ${FIRST_OF_USERS} then false else ${RELATION_MAY_ACT} end)`;

/** The checks of a domain that is named; OFFSET 0 keeps the trees of all others from being looked at. */
const DOMAINS_MAY_ACT = `exists (select from (select k.conbin from pg_type d join pg_constraint k on k.contypid = d.oid
  where d.oid >= ${FIRST_OF_USERS} and d.typname = any ($1::name[]) offset 0) k where ${treeMayAct('k.conbin')})`;

/** A cast or an operator that is written in another language than C is called without being named. */
const HIDDEN_MAY_ACT = `exists (select from pg_cast k join pg_proc p on p.oid = k.castfunc
    where k.castfunc >= ${FIRST_OF_USERS} and p.prolang not in (12, 13))
  or exists (select from pg_operator o join pg_proc p on p.oid = o.oprcode
    where o.oid >= ${FIRST_OF_USERS} and p.prolang not in (12, 13))`;

const LOOK = `with l as materialized (select * from pg_lock_status()
    where pid = pg_backend_pid() and locktype <> 'virtualxid' and mode <> 'SIReadLock')
  select (pg_current_xact_id_if_assigned() is not null or ${HOLDS})::text, ${HOLDS_WEAK}::text,
  ($2 or ${RELATIONS_MAY_ACT} or exists (select from pg_proc p where p.proname = any ($1::name[]) and ${mayAct('p')})
  or ${DOMAINS_MAY_ACT} or ${HIDDEN_MAY_ACT})::text`;

/**
 * Asked with the role and the search path of `restoreSteps`; the last answer is read by `holdingsOf`.
 * @param names whatever the statements of the branch may have named; undefined: they may have done anything
 */
export function lookSteps(names: Iterable<string> | undefined): readonly BatchStep[] {
  const list = [...(names ?? [])].map((name) => `"${name.replace(/["\\]/g, '\\$&')}"`);
  return [
    // The plan looks expensive to the server, for it may have to read many views: compiled, it would take a hundred times as long, and
    // twice as long if it were made anew each time.
    {
      text: `select set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)`,
      values: [],
    },
    { text: LOOK, values: [`{${list.join(',')}}`, names === undefined ? 't' : 'f'] },
  ];
}

/** What a branch without a number did: it `holds` locks until its end, it `may-have-sent` notifications, or it only read. */
export function holdingsOf(
  result: Pick<StepResult, 'rows'> | undefined,
): 'holds' | 'may-have-sent' | 'read' | undefined {
  const [holds, holdsWeak, calls] = result?.rows[0] ?? [];
  if (calls === undefined) {
    return undefined;
  }
  const isHeld = holds === 'true' || (holdsWeak === 'true' && calls === 'true');
  return isHeld ? 'holds' : calls === 'true' ? 'may-have-sent' : 'read';
}
