// The state of the log as the command line shows it.
import type { GetLogStatusResponse__Output } from '../../gen/concordat/v1/GetLogStatusResponse.ts';
import { formatBytes, formatMicros } from './duration.ts';

export interface LogView {
  readonly identity: string;
  readonly epoch: number;
  readonly path: string;
  readonly lastSequence: number;
  readonly records: number;
  readonly bytes: number;
  readonly freeBytes: number;
  readonly unfinishedDecisions: number;
  readonly flushMicros: number;
  readonly flushLane: string;
  readonly forcedWrites: number;
  /** Null: the coordinator does not say. */
  readonly coordinatorVersion: string | null;
  readonly protocolVersion: number;
  /** What a person must know of the coordinator as a whole, with what to do. */
  readonly alarms: readonly AlarmView[];
}

interface AlarmView {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

export function viewLog(status: GetLogStatusResponse__Output): LogView {
  return {
    identity: status.logIdentity,
    epoch: Number(status.epoch),
    path: status.path,
    lastSequence: Number(status.lastSequence),
    records: Number(status.records),
    bytes: Number(status.bytes),
    freeBytes: Number(status.freeBytes),
    unfinishedDecisions: Number(status.unfinishedDecisions),
    flushMicros: status.flushMicros,
    flushLane: status.flushLane,
    forcedWrites: Number(status.forcedWrites),
    coordinatorVersion: status.version === '' ? null : status.version,
    protocolVersion: status.protocolVersion,
    alarms: status.alarms.map(({ code, message, fix }) => ({ code, message, fix })),
  };
}

/** The coordinator says the highest number where its volume cannot be asked. */
export function formatFree(bytes: number): string {
  return bytes >= Number.MAX_SAFE_INTEGER ? 'unknown room' : `${formatBytes(bytes)} free`;
}

export function logFields(log: LogView): readonly (readonly [string, string])[] {
  return [
    ['Log', `${log.identity}, epoch ${log.epoch}`],
    ['File', log.path],
    ['Records', `${log.records}, the last is number ${log.lastSequence}`],
    ['Unfinished', `${log.unfinishedDecisions} decisions`],
    ['Size', `${formatBytes(log.bytes)}, ${formatFree(log.freeBytes)} on its volume`],
    [
      'Flush',
      `${formatMicros(log.flushMicros)} median, ${log.flushLane || 'unknown'}; ${log.forcedWrites} forced writes`,
    ],
  ];
}
