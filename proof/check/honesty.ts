// The participant: production's step, and how the adapters conclude from what their engine says. A planted bug is one of these replaced.
import { step } from '../../src/participants/engine/step.ts';

/** What an engine has to say of an end. */
export type Proof = 'committed' | 'rolled-back' | 'none';

export type CommitAnswer = 'done' | 'done-otherwise' | 'unproven';

export interface Participant {
  readonly step: typeof step;
  /** Of a branch that the engine does not list: what `proof` it has of an end is what is answered (D6). */
  readonly ofUnlisted: (proof: Proof) => CommitAnswer;
  /** The vote after an engine rolled the branch back instead of preparing it (a failed transaction answers PREPARE with ROLLBACK). */
  readonly voteOfRefused: 'no' | 'yes';
  /** What it does with a commit that names one opening while its engine holds another one prepared under the name. */
  readonly commitOfOther: 'left' | 'committed';
}

export const HONEST: Participant = {
  step,
  ofUnlisted: (proof) => (proof === 'committed' ? 'done' : proof === 'rolled-back' ? 'done-otherwise' : 'unproven'),
  voteOfRefused: 'no',
  commitOfOther: 'left',
};
