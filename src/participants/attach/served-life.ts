// Whether a coordinator may be served: what its log says of its life, held against what the database has recorded.
import { EPOCH_LEAP_MAX, type LogIdentity } from '../../xa/xid.ts';
import type { RecordedLife } from '../resource-manager.ts';

type LifeStanding =
  | 'served'
  /** The database has served a newer life of the log, or another one with the same epoch: the coordinator runs on a copy. */
  | 'stale'
  /** The epoch is so far above the known one that it is hardly the same log's. */
  | 'leap'
  /** What was recorded is not what the coordinator has looked at: it must look again. */
  | 'moved';

/** @param recorded what `raiseEpoch` answered for `life`. */
export function lifeStandingOf(life: RecordedLife, recorded: RecordedLife): LifeStanding {
  if (recorded.epoch < life.epoch) {
    return life.epoch > recorded.epoch + EPOCH_LEAP_MAX ? 'leap' : 'moved';
  }
  return recorded.epoch === life.epoch && recorded.token === life.token ? 'served' : 'stale';
}

/** Why a coordinator is not served, and what to do, for the log of the participant. */
export function refusalText(
  life: RecordedLife & { readonly identity: LogIdentity },
  recorded: RecordedLife,
  engine: string,
): string {
  if (lifeStandingOf(life, recorded) === 'leap') {
    return (
      `the coordinator says that it runs epoch ${life.epoch} of the log ${life.identity}, and the database knows epoch ${recorded.epoch}: ` +
      `a leap of more than ${EPOCH_LEAP_MAX} is not believed. Next: compare with \`concordat log status\`; if it is your coordinator, ` +
      `let an administrator run: ${fixOf(engine, life)}`
    );
  }
  return recorded.epoch === life.epoch
    ? `the database has served another life of the log ${life.identity} with the same epoch ${life.epoch}: this coordinator runs on a copy of the log`
    : `the database has served epoch ${recorded.epoch} of the log ${life.identity}: this coordinator runs epoch ${life.epoch}, on an older copy of the log`;
}

function fixOf(
  engine: string,
  { identity, epoch }: { readonly identity: LogIdentity; readonly epoch: number },
): string {
  const values = `('${identity}', ${epoch - 1}, '')`;
  return engine === 'mysql' || engine === 'mariadb'
    ? `REPLACE INTO concordat_epoch (identity, epoch, token) VALUES ${values};`
    : `insert into concordat.epoch (identity, epoch, token) values ${values} on conflict (identity) do update set epoch = excluded.epoch, token = '';`;
}
