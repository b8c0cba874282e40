// The resources as operators see them, in pages: a message carries a thousand participants, and not all that they warn of.
import type { ListResourcesResponse } from '../../gen/concordat/v1/ListResourcesResponse.ts';
import type { ParticipantInfo } from '../../gen/concordat/v1/ParticipantInfo.ts';
import type { ResourceInfo } from '../../gen/concordat/v1/ResourceInfo.ts';
import type { Clock } from '../../lib/clock.ts';
import { COORDINATOR_MESSAGE_BYTES_MAX } from '../../xa/limits.ts';
import type { Directory, KnownResource, Link } from '../calls/directory.ts';
import type { Registry } from '../driver/registry.ts';
import { wireReason, wireRefused } from '../edge/describe.ts';
import type { Quarantine } from '../reports/quarantine.ts';
import { pendingBranches } from './pending-branches.ts';

interface ResourcePageParts {
  readonly directory: Directory;
  readonly transactions: Registry;
  readonly quarantine: Quarantine;
  readonly clock: Clock;
  /** Monotonic milliseconds: before this nobody could attach. */
  readonly startedAt: number;
}

/** A page ends before the resource that goes beyond; of a single resource, PARTICIPANTS_MAX without their warnings stay below a message. */
const PAGE_BYTES = COORDINATOR_MESSAGE_BYTES_MAX / 2;
/** Of one resource, all participants together: they mostly warn of the same. */
const WARNING_BYTES = COORDINATOR_MESSAGE_BYTES_MAX / 8;
/** Name, engine and identity, as a log may have them that was written before they were bounded; and a participant that was refused. */
const RESOURCE_BYTES = 2_600 + 6_000;
const PARTICIPANT_BYTES = 500;
/** Quarantined branches that a resource is shown with; the others are counted. */
const QUARANTINED_SHOWN_MAX = 100;
const QUARANTINED_BYTES = 90;

/** @param after the name that the last page ended with. */
export function resourcePage(parts: ResourcePageParts, after: string): ListResourcesResponse {
  const pending = pendingBranches(parts.transactions.all());
  const resources: ResourceInfo[] = [];
  let bytes = 0;
  for (const resource of parts.directory.all().filter(({ name }) => name > after)) {
    const [participants, bytesOfAll] = participantsOf(resource, parts.directory, parts.clock.now());
    const quarantined = parts.quarantine.at(resource.name);
    const own = bytesOfAll + Math.min(quarantined.length, QUARANTINED_SHOWN_MAX) * QUARANTINED_BYTES;
    if (bytes > 0 && bytes + own > PAGE_BYTES) {
      return { resources, more: true };
    }
    bytes += own;
    const { name, engine, engineIdentity, links, refused, awayAt } = resource;
    const now = parts.clock.now();
    const { count, oldestAt } = pending.get(name) ?? { count: 0, oldestAt: now };
    resources.push({
      name,
      engine,
      engineIdentity,
      engineVersion: links.at(-1)?.engineVersion ?? '',
      participants,
      pendingBranches: count,
      oldestPendingAgeMs: String(Math.floor(now - oldestAt)),
      quarantinedBranches: parts.quarantine.countAt(resource.name),
      quarantined: quarantined.slice(0, QUARANTINED_SHOWN_MAX).map(({ gtrid, bqual }) => ({ gtrid, bqual })),
      awayMs: links.length > 0 ? '0' : String(Math.floor(now - (awayAt ?? parts.startedAt))),
      refused: refused === undefined ? null : wireRefused(refused, now),
    });
  }
  return { resources, more: false };
}

function participantsOf(
  { links }: KnownResource,
  directory: Directory,
  now: number,
): [ParticipantInfo[], bytes: number] {
  let warningBytes = 0;
  let troubleBytes = 0;
  const participants = links.map((link) => {
    const own = link.warnings.reduce((sum, warning) => sum + Buffer.byteLength(warning) + 4, 0);
    const fits = warningBytes + own <= WARNING_BYTES;
    warningBytes += fits ? own : 0;
    const left = `${link.warnings.length} warnings are left out here: concordat resource check ${link.resource}`;
    const trouble = directory.troubleOf(link);
    troubleBytes += Buffer.byteLength(trouble?.reason.message ?? '');
    return participantInfo(link, fits ? link.warnings : [left], trouble, now);
  });
  return [participants, RESOURCE_BYTES + warningBytes + troubleBytes + links.length * PARTICIPANT_BYTES];
}

function participantInfo(
  link: Link,
  warnings: readonly string[],
  trouble: ReturnType<Directory['troubleOf']>,
  now: number,
): ParticipantInfo {
  return {
    instance: link.instance,
    kind: link.kind === 'sidecar' ? 'PARTICIPANT_KIND_SIDECAR' : 'PARTICIPANT_KIND_EMBEDDED',
    address: link.address,
    attachedMs: String(Math.floor(now - link.attachedAt)),
    warnings: [...warnings],
    trouble: wireReason(trouble?.reason),
    troubleMs: trouble === undefined ? '0' : String(Math.floor(now - trouble.at)),
  };
}
