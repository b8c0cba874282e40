// Reconciliation: what the engine lists as prepared, told to the coordinator every few seconds, so that no branch stays behind.
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import type { PreparedBranch as WirePrepared } from '../../gen/concordat/v1/PreparedBranch.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { toWireEvidence } from '../../wire/evidence.ts';
import { formatRow, openingEvidence, rowOf } from '../../xa/evidence.ts';
import { BRANCHES_PER_MESSAGE_MAX } from '../../xa/limits.ts';
import { formatXid, type LogIdentity, ownsGtrid, type ResourceName, resourceOf, type Xid } from '../../xa/xid.ts';
import type { Welcome } from '../attach/command.ts';
import type { EngineWatch } from '../attach/engine-watch.ts';
import type { KnownLogs } from '../attach/known-logs.ts';
import { lifeStandingOf } from '../attach/served-life.ts';
import { isMoving, preparedEvidence } from '../engine/queries.ts';
import type { PreparedBranch, RecordedLife, ResourceManager } from '../resource-manager.ts';
import type { Branches } from './branches/branches.ts';

interface ReconcilerOptions {
  readonly rm: ResourceManager;
  readonly clock: Clock;
  readonly branches: Branches;
  readonly resource: ResourceName;
  /** An embedded participant speaks only for its own branches: it watches the epoch, and reports nothing. */
  readonly reports: boolean;
  readonly report: (message: ParticipantMessage) => void;
  /** What the engine has recorded speaks against the life that is served. */
  readonly onRefused: (life: Welcome, recorded: RecordedLife) => void;
  readonly engine: EngineWatch;
  readonly logs: KnownLogs;
}

const MARKERS_EVERY_MS = 60_000;
/** As often an attached sidecar looks whether its database would still take branches. */
const HEALTH_EVERY_MS = 15_000;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  #life: Welcome | undefined;
  #timer: Timer | undefined;
  #markersDueMs = 0;
  #healthDueMs = 0;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Reconciles now and every interval from now on, until `stop` or the next `start`. */
  start(life: Welcome): void {
    this.stop();
    this.#life = life;
    this.#markersDueMs = this.#options.clock.now();
    this.#healthDueMs = this.#options.clock.now() + HEALTH_EVERY_MS; // It was checked when it was introduced.
    void this.#tick(life);
  }

  stop(): void {
    this.#life = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** One at a time: the next is due an interval after this one has ended, however long the engine took. */
  async #tick(life: Welcome): Promise<void> {
    const { rm, clock, reports, onRefused, engine } = this.#options;
    try {
      const recorded = await rm.raiseEpoch(life.identity, life.epoch, life.token, life);
      if (this.#life !== life) {
        return;
      }
      if (lifeStandingOf(life, recorded) !== 'served') {
        onRefused(life, recorded);
        return;
      }
      if (reports) {
        await this.#reportPrepared(life);
        await this.#reportMarkers(life);
        await this.#checkHealth();
      }
      await engine.answered();
    } catch (error) {
      engine.failed(error);
    }
    if (this.#life === life) {
      this.#timer = clock.after(life.reconcileMs, () => void this.#tick(life));
    }
  }

  /** Whether the database would take branches and finish them, asked now and then: it may be read-only by now, or lack a right. */
  async #checkHealth(): Promise<void> {
    const { rm, clock, engine } = this.#options;
    if (clock.now() < this.#healthDueMs) {
      return;
    }
    this.#healthDueMs = clock.now() + HEALTH_EVERY_MS;
    const fatal = (await rm.preflight()).find((finding) => finding.fatal);
    engine.checked(
      fatal && {
        code: 'ENGINE_UNAVAILABLE',
        message: `${fatal.check}: ${fatal.message}. Next: ${fatal.fix}`,
        retryable: true,
      },
    );
  }

  async #reportPrepared(life: Welcome): Promise<void> {
    const { rm, clock, branches } = this.#options;
    const listedMs = clock.now();
    const listed = await rm.list();
    if (this.#life !== life) {
      return;
    }
    const ours = listed.filter((prepared) => this.#isOurs(prepared.xid, life.identity));
    this.#dropVanished(new Set(ours.map(nameOf)), listedMs);
    const due: WirePrepared[] = [];
    for (const { xid, evidence, ageMs } of ours) {
      const key = xid === undefined ? '' : formatXid(xid);
      const moves =
        branches.ended.endedSince(key, listedMs) ||
        isMoving(branches.known(key), { evidence, atMs: listedMs, reconcileMs: life.reconcileMs });
      if (xid !== undefined && !moves) {
        due.push({
          gtrid: xid.gtrid,
          bqual: xid.bqual,
          evidence: toWireEvidence(evidence),
          ageMs: Math.max(0, Math.trunc(ageMs)),
        });
      }
    }
    // Also an empty list is told, once: the coordinator learns that this engine has been looked at.
    const others = this.#options.logs.others(listed, life.identity);
    this.#options.report({ reconcile: { branches: due.slice(0, BRANCHES_PER_MESSAGE_MAX), markers: [], others } });
    for (let first = BRANCHES_PER_MESSAGE_MAX; first < due.length; first += BRANCHES_PER_MESSAGE_MAX) {
      const chunk = due.slice(first, first + BRANCHES_PER_MESSAGE_MAX);
      this.#options.report({ reconcile: { branches: chunk, markers: [] } });
    }
  }

  /** Prepared here, finished by somebody else: the table lets go of it, and later commands ask the engine. */
  #dropVanished(listed: ReadonlySet<string>, listedMs: number): void {
    const { branches } = this.#options;
    for (const branch of [...branches.all()]) {
      const { xid, state, opening } = branch;
      const evidence = preparedEvidence(state, openingEvidence(opening));
      if (evidence !== undefined && !listed.has(nameOf({ xid, evidence }))) {
        branches.happened(branch, { kind: 'not-listed', listedMs });
      }
    }
  }

  async #reportMarkers(life: Welcome): Promise<void> {
    const { rm, clock, branches, report } = this.#options;
    if (clock.now() < this.#markersDueMs) {
      return;
    }
    const markers = await rm.markers(life.identity);
    if (this.#life !== life) {
      return;
    }
    this.#markersDueMs = clock.now() + MARKERS_EVERY_MS;
    const ended = markers
      .filter((row) => this.#isOurs(row, life.identity) && branches.get(formatXid(row))?.opening !== row.opening)
      .map(formatRow);
    for (let first = 0; first < ended.length; first += BRANCHES_PER_MESSAGE_MAX) {
      report({ reconcile: { branches: [], markers: ended.slice(first, first + BRANCHES_PER_MESSAGE_MAX) } });
    }
  }

  /** D8; and an engine that serves several databases lists those of other resources too, which have their own participants. */
  #isOurs(xid: PreparedBranch['xid'] | Xid, identity: LogIdentity): xid is Xid {
    return xid !== undefined && ownsGtrid(identity, xid.gtrid) && resourceOf(xid.bqual) === this.#options.resource;
  }
}

/** One opening of a branch as the engine lists it. */
function nameOf({ xid, evidence }: Pick<PreparedBranch, 'xid' | 'evidence'>): string {
  const row = xid === undefined ? undefined : rowOf(xid, evidence);
  return row === undefined ? '' : formatRow(row);
}
