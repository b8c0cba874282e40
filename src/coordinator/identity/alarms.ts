// What a person must know of this coordinator as a whole: each alarm with its reason and what to do.
import { quarantinedText } from '../../xa/quarantined.ts';
import { formatXid } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import type { Quarantine } from '../reports/quarantine.ts';
import type { Alarm } from './alarm.ts';
import type { LogCopy } from './log-copy.ts';
import type { OtherLogs } from './other-logs.ts';

interface AlarmsParts {
  readonly copy: LogCopy;
  readonly others: OtherLogs;
  readonly quarantine: Quarantine;
  readonly directory: Directory;
}

const TOLD_MAX = 5;

export function alarmsOf({ copy, others, quarantine, directory }: AlarmsParts): readonly Alarm[] {
  const { refusal } = copy;
  return [
    ...(refusal === undefined ? [] : [{ code: refusal.code, message: refusal.message, fix: refusal.entry.advice }]),
    ...others.alarms(),
    ...directory.all().flatMap(({ name }) => {
      const kept = quarantine.at(name);
      const names = kept.slice(0, TOLD_MAX).map(formatXid).join(', ');
      return kept.length === 0
        ? []
        : [
            {
              code: 'QUARANTINED',
              message: `${name}: ${quarantinedText(quarantine.countAt(name))} prepared ${kept.length === 1 ? 'branch' : 'branches'} of which this log cannot tell what was decided: ${names}. They hold their locks`,
              fix: 'concordat tx explain <id>, look at what its other databases show, then run concordat tx resolve <id> --commit or --rollback',
            },
          ];
    }),
  ];
}
