// What a person must know of this coordinator as a whole: each alarm with its reason and what to do.
import { quarantinedText } from '../xa/quarantined.ts';
import { formatXid } from '../xa/xid.ts';
import type { Directory } from './directory.ts';
import type { LogCopy } from './log-copy.ts';
import type { OtherLogs } from './other-logs.ts';
import type { Quarantine } from './quarantine.ts';

export interface Alarm {
  /** Of the catalogue, or a word of its own: OTHER_LOG_BRANCHES, QUARANTINED. */
  readonly code: string;
  readonly message: string;
  readonly mend: string;
}

export interface AlarmsParts {
  readonly copy: LogCopy;
  readonly others: OtherLogs;
  readonly quarantine: Quarantine;
  readonly directory: Directory;
}

const TOLD_MAX = 5;

export function alarmsOf({ copy, others, quarantine, directory }: AlarmsParts): readonly Alarm[] {
  const { refusal } = copy;
  return [
    ...(refusal === undefined ? [] : [{ code: refusal.code, message: refusal.message, mend: refusal.entry.advice }]),
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
              mend: 'concordat tx explain <id>, look what its other databases show, then concordat tx resolve <id> --commit or --rollback',
            },
          ];
    }),
  ];
}
