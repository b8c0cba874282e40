// What an operator asks of the engine: every prepared branch with whom it blocks, a preflight made now, the proof of one branch.
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import type { ScannedBranch } from '../../gen/concordat/v1/ScannedBranch.ts';
import { toWireEvidence } from '../../wire/evidence.ts';
import { eitherEvidence } from '../../xa/evidence.ts';
import type { BranchProof, Evidence } from '../../xa/vocabulary.ts';
import { formatXid, type LogIdentity, ownsGtrid, type Xid } from '../../xa/xid.ts';
import { toWireReason } from '../attach/report.ts';
import { isUnprepared, preparedEvidence } from '../engine/queries.ts';
import { holdsOther } from '../engine/state.ts';
import { reasonOf } from '../reasons.ts';
import type { PreflightFinding, PreparedBranch, ResourceManager } from '../resource-manager.ts';
import type { Branches } from './branches/branches.ts';

interface InspectorOptions {
  readonly rm: ResourceManager;
  readonly branches: Branches;
  readonly report: (message: ParticipantMessage) => void;
}

/** Branches in one ScanResult, oldest first: it is one message for one person's eyes. */
const SCANNED_MAX = 2_000;
/** Branches whose waiting sessions are counted; each takes a query. */
const BLOCKED_COUNTED_MAX = 100;

const WIRE_PROOFS = {
  active: 'BRANCH_PROOF_ACTIVE',
  prepared: 'BRANCH_PROOF_PREPARED',
  committed: 'BRANCH_PROOF_COMMITTED',
  'rolled-back': 'BRANCH_PROOF_ROLLED_BACK',
  unproven: 'BRANCH_PROOF_UNPROVEN',
} as const satisfies Record<BranchProof, string>;

export class Inspector {
  readonly #options: InspectorOptions;

  constructor(options: InspectorOptions) {
    this.#options = options;
  }

  /** Reports a ScanResult; one that failed carries the reason. Never rejects. */
  async scan(id: number, identity: LogIdentity): Promise<void> {
    const { rm, report } = this.#options;
    try {
      const listed = [...(await rm.list())].sort((a, b) => b.ageMs - a.ageMs);
      const findings = [...(await rm.preflight())];
      if (listed.length > SCANNED_MAX) {
        findings.push(truncated(listed.length));
      }
      const branches: ScannedBranch[] = [];
      for (const [index, prepared] of listed.slice(0, SCANNED_MAX).entries()) {
        branches.push(await this.#scanned(prepared, identity, index < BLOCKED_COUNTED_MAX));
      }
      report({ scanResult: { id, branches, findings, error: null } });
    } catch (error) {
      report({ scanResult: { id, branches: [], findings: [], error: toWireReason(reasonOf(error)) } });
    }
  }

  /** Reports a ProbeResult. A branch that is at work here is not asked for: the engine's probe would end its session. Never rejects. */
  async probe(id: number, xid: Xid, evidence: Evidence): Promise<void> {
    const { rm, branches, report } = this.#options;
    const { state } = branches.known(formatXid(xid));
    if (isUnprepared(state) && !holdsOther(state, evidence)) {
      report({ probeResult: { id, proof: 'BRANCH_PROOF_ACTIVE', evidence: null, blockedSessions: 0, error: null } });
      return;
    }
    const known = eitherEvidence(evidence, preparedEvidence(state, evidence) ?? evidence);
    try {
      const proof = await rm.probe(xid, known);
      const blockedSessions = await rm.blockedSessions(xid);
      report({
        probeResult: { id, proof: WIRE_PROOFS[proof], evidence: toWireEvidence(known), blockedSessions, error: null },
      });
    } catch (error) {
      const failure = toWireReason(reasonOf(error));
      const proof = 'BRANCH_PROOF_UNSPECIFIED';
      report({ probeResult: { id, proof, evidence: toWireEvidence(known), blockedSessions: 0, error: failure } });
    }
  }

  async #scanned(prepared: PreparedBranch, identity: LogIdentity, isCounted: boolean): Promise<ScannedBranch> {
    const { xid, raw, ageMs } = prepared;
    return {
      gtrid: xid?.gtrid ?? '',
      bqual: xid?.bqual ?? '',
      raw,
      ours: xid !== undefined && ownsGtrid(identity, xid.gtrid),
      ageMs: Math.max(0, Math.trunc(ageMs)),
      blockedSessions: xid !== undefined && isCounted ? await this.#options.rm.blockedSessions(xid) : 0,
    };
  }
}

function truncated(count: number): PreflightFinding {
  return {
    fatal: false,
    check: 'scan',
    message: `${count} branches are prepared; the ${SCANNED_MAX} oldest are shown`,
    fix: 'Look at the engine itself for the whole list.',
  };
}
