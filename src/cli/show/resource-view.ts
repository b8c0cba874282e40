// Resources, their participants, findings and prepared branches as the command line shows them.

import type { PreflightFinding__Output } from '../../gen/concordat/v1/PreflightFinding.ts';
import type { RefusedParticipant__Output } from '../../gen/concordat/v1/RefusedParticipant.ts';
import type { ResourceInfo__Output } from '../../gen/concordat/v1/ResourceInfo.ts';
import type { ScannedBranch__Output } from '../../gen/concordat/v1/ScannedBranch.ts';
import { quarantinedText } from '../../xa/quarantined.ts';
import { formatDuration } from './duration.ts';
import type { TableColumn } from './table.ts';
import { describeReason, enumWord, type ReasonView, viewReason } from './transaction-view.ts';

interface ParticipantView {
  readonly instance: string;
  readonly kind: string;
  readonly address: string | null;
  readonly attachedMs: number;
  readonly warnings: readonly string[];
  /** Why its database does not answer it, or refuses it, just now; null: it answers. */
  readonly trouble: ReasonView | null;
  /** For how long, whatever it said meanwhile. */
  readonly troubleMs: number;
}

/** What is known of the database now. */
interface DatabaseView {
  /** Null: nobody is attached who could ask it. */
  readonly answers: boolean | null;
  /** For how long it has not answered, or could not be asked; null: it answers. */
  readonly notForMs: number | null;
  readonly why: string | null;
}

export interface ResourceView {
  readonly name: string;
  readonly engine: string;
  readonly engineVersion: string;
  readonly engineIdentity: string;
  readonly participants: readonly ParticipantView[];
  readonly pendingBranches: number;
  readonly oldestPendingAgeMs: number;
  readonly quarantinedBranches: number;
  readonly refused: RefusedView | null;
  readonly database: DatabaseView;
}

/** The participant that was refused last, because it is at another database than the one that was registered. */
interface RefusedView {
  readonly instance: string;
  readonly kind: string;
  readonly address: string | null;
  readonly engine: string;
  readonly engineVersion: string;
  readonly engineIdentity: string;
  readonly refusedMs: number;
  readonly message: string;
}

export function viewResource(info: ResourceInfo__Output): ResourceView {
  const participants = info.participants.map((participant) => ({
    instance: participant.instance,
    kind: enumWord('PARTICIPANT_KIND_', participant.kind) ?? 'unknown',
    address: participant.address === '' ? null : participant.address,
    attachedMs: Number(participant.attachedMs),
    warnings: participant.warnings,
    trouble: viewReason(participant.trouble),
    troubleMs: Number(participant.troubleMs),
  }));
  return {
    name: info.name,
    engine: info.engine,
    engineVersion: info.engineVersion,
    engineIdentity: info.engineIdentity,
    participants,
    pendingBranches: info.pendingBranches,
    oldestPendingAgeMs: Number(info.oldestPendingAgeMs),
    quarantinedBranches: info.quarantinedBranches,
    refused: info.refused === null ? null : viewRefused(info.refused),
    database: viewDatabase(participants, Number(info.awayMs)),
  };
}

/** One of its participants is enough to say that it answers. */
function viewDatabase(participants: readonly ParticipantView[], awayMs: number): DatabaseView {
  const [first] = participants;
  if (first === undefined) {
    return { answers: null, notForMs: awayMs, why: 'no participant is attached' };
  }
  const longest = Math.max(...participants.map(({ troubleMs }) => troubleMs));
  return first.trouble === null || participants.some(({ trouble }) => trouble === null)
    ? { answers: true, notForMs: null, why: null }
    : { answers: false, notForMs: longest, why: describeReason(first.trouble) };
}

/** A monitor should say so: it does not answer one of its participants, or nobody can ask it. */
export function isCutOff(resource: ResourceView): boolean {
  return resource.database.answers !== true || troubles(resource).length > 0;
}

/** `answers`, or what it is not and for how long. */
function databaseWord({ database: { answers, notForMs } }: ResourceView): string {
  const word = answers === null ? 'NOT ASKED' : answers ? 'answers' : 'NO ANSWER';
  return notForMs === null ? word : `${word} for ${formatDuration(notForMs)}`;
}

function viewRefused(refused: RefusedParticipant__Output): RefusedView {
  const { instance, address, engine, engineVersion, engineIdentity, message } = refused;
  return {
    instance,
    kind: enumWord('PARTICIPANT_KIND_', refused.kind) ?? 'unknown',
    address: address === '' ? null : address,
    engine,
    engineVersion,
    engineIdentity,
    refusedMs: Number(refused.refusedMs),
    message,
  };
}

/** Participants that are attached and whose database refuses them, with what it says. */
export function troubles({ name, participants }: ResourceView): readonly string[] {
  return participants.flatMap(({ address, instance, trouble, troubleMs }) =>
    trouble === null
      ? []
      : [
          `The database of ${name} refuses its participant ${address ?? instance}: ${describeReason(trouble)}${troubleMs === 0 ? '' : `; for ${formatDuration(troubleMs)}`}`,
        ],
  );
}

/** Nobody is there who could ask its database: with what to do. */
export function absence({ name, participants, database }: ResourceView): string | undefined {
  return participants.length > 0
    ? undefined
    : `Nobody speaks for ${name} for ${formatDuration(database.notForMs ?? 0)}: whether its database answers is not known. Next: start its sidecar, concordat participant --resource ${name}; if the name was a mistake, concordat resource forget ${name}`;
}

/** Who asks for the resource and why it may not have it, with what to do; undefined: nobody was refused. */
export function refusedFinding({
  name,
  engineIdentity,
  refused,
}: ResourceView): { finding: string; fix: string } | undefined {
  if (refused === null) {
    return undefined;
  }
  const who = `the participant ${refused.address ?? refused.instance}`;
  const ago = `${formatDuration(refused.refusedMs)} ago`;
  if (refused.engineIdentity === engineIdentity) {
    return {
      finding: `${who} was refused ${ago}: it is at a copy of the database (both are ${engineIdentity})`,
      fix: `stop the participant of the database that is not to be ${name}; see "A database was upgraded, restored or moved" in docs/operations.md`,
    };
  }
  return {
    finding: `${who} was refused ${ago}: it is at ${refused.engineIdentity}, and ${name} is ${engineIdentity}`,
    fix:
      `point it at the right server; or, if that database has taken the place of the former one: ` +
      `concordat resource accept ${name} --reason '…' --dry-run`,
  };
}

function attached({ address, kind, trouble }: ParticipantView): string {
  return `${address ?? kind}${trouble === null ? '' : ' REFUSED'}`;
}

export const RESOURCE_COLUMNS: readonly TableColumn<ResourceView>[] = [
  { header: 'RESOURCE', value: (row) => row.name },
  { header: 'ENGINE', value: (row) => `${row.engine} ${row.engineVersion}`.trim() || '-' },
  {
    header: 'ATTACHED',
    value: (row) => row.participants.map(attached).join(' ') || 'none',
    tone: (row) => (row.participants.length === 0 || troubles(row).length > 0 ? 'bad' : 'good'),
  },
  {
    header: 'DATABASE',
    value: databaseWord,
    tone: (row) => (row.database.answers === true ? 'good' : 'bad'),
  },
  {
    header: 'PENDING',
    value: (row) =>
      row.pendingBranches === 0 ? '-' : `${row.pendingBranches}, oldest ${formatDuration(row.oldestPendingAgeMs)}`,
    tone: (row) => (row.pendingBranches > 0 ? 'warning' : undefined),
  },
  {
    header: 'QUARANTINED',
    value: (row) => (row.quarantinedBranches === 0 ? '-' : quarantinedText(row.quarantinedBranches)),
    tone: (row) => (row.quarantinedBranches > 0 ? 'bad' : undefined),
  },
];

/**
 * Resources that are the same database under several names: a transaction over both would wait for its own locks, so it is a mistake
 * nearly always (faults B60).
 */
export function sharedDatabases(resources: readonly ResourceView[]): readonly (readonly string[])[] {
  const byIdentity = new Map<string, string[]>();
  for (const { name, engineIdentity } of resources) {
    if (engineIdentity !== '') {
      byIdentity.set(engineIdentity, [...(byIdentity.get(engineIdentity) ?? []), name]);
    }
  }
  return [...byIdentity.values()].filter((names) => names.length > 1);
}

interface FindingView {
  readonly fatal: boolean;
  readonly check: string;
  readonly message: string;
  readonly fix: string;
}

export function viewFinding(finding: PreflightFinding__Output): FindingView {
  const { fatal, check, message, fix } = finding;
  return { fatal, check, message, fix };
}

interface PreparedView {
  /** Null: not a branch of Concordat, or not in its grammar. */
  readonly id: string | null;
  readonly bqual: string | null;
  readonly raw: string;
  readonly ours: boolean;
  readonly ageMs: number;
  readonly blockedSessions: number;
}

export function viewPrepared(branch: ScannedBranch__Output): PreparedView {
  return {
    id: branch.gtrid === '' ? null : branch.gtrid,
    bqual: branch.bqual === '' ? null : branch.bqual,
    raw: branch.raw,
    ours: branch.ours,
    ageMs: Number(branch.ageMs),
    blockedSessions: branch.blockedSessions,
  };
}

export const PREPARED_COLUMNS: readonly TableColumn<PreparedView>[] = [
  { header: 'OURS', value: (row) => (row.ours ? 'yes' : 'no') },
  { header: 'TRANSACTION', value: (row) => row.id ?? '-' },
  { header: 'BRANCH', value: (row) => row.bqual ?? '-' },
  { header: 'AGE', value: (row) => (row.ageMs === 0 ? '-' : formatDuration(row.ageMs)), align: 'right' },
  {
    header: 'BLOCKS',
    value: (row) => (row.blockedSessions === 0 ? '-' : String(row.blockedSessions)),
    align: 'right',
    tone: (row) => (row.blockedSessions > 0 ? 'warning' : undefined),
  },
  { header: 'ENGINE SPELLS', value: (row) => row.raw || '-' },
];
