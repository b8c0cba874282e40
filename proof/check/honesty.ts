// How the modelled participant concludes from what its engine says. A planted bug is one of these habits replaced.
import type { Proof } from './site.ts';

export type CommitAnswer = 'done' | 'done-otherwise' | 'unproven';

export interface Participant {
  /** A branch that has written is committed in one phase only for who knows its evidence (D5). */
  readonly waitsForEvidence: boolean;
  /** Of a branch that the engine does not list: what `proof` it has of an end is what is answered (D6). */
  readonly ofUnlisted: (proof: Proof) => CommitAnswer;
  /** The vote of a branch that this instance does not hold and that the engine does not list as prepared. */
  readonly voteOfUnlisted: 'no' | 'yes';
  /** The vote after an engine rolled the branch back instead of preparing it (a failed transaction answers PREPARE with ROLLBACK). */
  readonly voteOfRefused: 'no' | 'yes';
  /** What it does with a commit that names one opening while its engine holds another one prepared under the name. */
  readonly commitOfOther: 'left' | 'committed';
}

export const HONEST: Participant = {
  waitsForEvidence: true,
  ofUnlisted: (proof) => (proof === 'committed' ? 'done' : proof === 'rolled-back' ? 'done-otherwise' : 'unproven'),
  voteOfUnlisted: 'no',
  voteOfRefused: 'no',
  commitOfOther: 'left',
};
