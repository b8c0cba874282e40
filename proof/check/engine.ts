// What a participant's engine does when it is asked to end a branch or to prove its end: production's adapters, on what it really holds.
import type { BranchProof, FinishResult } from '../../src/xa/vocabulary.ts';
import type { Proof } from './honesty.ts';
import { Local, Work } from './layout.ts';
import { REASON } from './names.ts';
import type { Site } from './site.ts';

/** The opening that is meant, or all of the name, after sessions that might still prepare it have been ended. */
export function rollbackAtEngine(site: Site, evidence: number): FinishResult {
  fence(site, evidence);
  for (const prepared of site.preparedBy(evidence)) {
    site.setWork(prepared, Work.rolledBack);
  }
  return resultOf(proof(site, evidence) === 'committed' ? 'done-otherwise' : 'done');
}

/** The opening that the evidence names, and no other. */
export function commitAtEngine(site: Site, evidence: number): FinishResult {
  if (evidence === 0) {
    return resultOf('unproven');
  }
  const [prepared] = site.preparedBy(site.participant.commitOfOther === 'left' ? evidence : 0);
  if (prepared !== undefined) {
    site.setWork(prepared, Work.committed);
    return resultOf('done');
  }
  const isStray = site.meant(evidence).some((opening) => STRAYS.includes(site.work(opening)));
  return resultOf(isStray ? 'not-yet' : site.participant.ofUnlisted(proof(site, evidence)));
}

const STRAYS: readonly number[] = [Work.stray, Work.strayCommit];

/** What the engine says of it, once no session can change it any more. */
export function proofAtEngine(site: Site, evidence: number): BranchProof {
  fence(site, evidence);
  if (site.preparedBy(evidence).length > 0) {
    return 'prepared';
  }
  switch (site.participant.ofUnlisted(proof(site, evidence))) {
    case 'done':
      return 'committed';
    case 'done-otherwise':
      return 'rolled-back';
    case 'unproven':
      return 'unproven';
  }
}

function resultOf(kind: FinishResult['kind']): FinishResult {
  switch (kind) {
    case 'done':
      return { kind };
    case 'done-otherwise':
      return { kind, proof: 'its engine proves it' };
    case 'not-yet':
    case 'unknown':
    case 'unproven':
      return { kind, reason: REASON };
  }
}

/** Sessions of others are ended, whoever they serve, and what they had not finished is gone. */
function fence(site: Site, evidence: number): void {
  for (const opening of site.meant(evidence)) {
    const work = site.work(opening);
    const isOthers = work === Work.active && opening !== site.instance;
    if (STRAYS.includes(work) || isOthers) {
      site.setWork(opening, Work.rolledBack);
    }
  }
}

/** What the engine proves of the branch by `evidence`; 0: there is none. */
function proof(site: Site, evidence: number): Proof {
  if (site.get(Local.evidenceLost) === 1) {
    return 'none';
  }
  if (site.meant(evidence).some((opening) => site.hasRow(opening))) {
    return 'committed';
  }
  if (evidence === 0) {
    return 'none';
  }
  const work = site.work(evidence === 1 ? 0 : 1);
  return work === Work.committed || work === Work.rolledBack ? 'rolled-back' : 'none';
}
