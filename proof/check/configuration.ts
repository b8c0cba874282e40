// What one complete run explores: how many branches, and which faults and people are in the world.

export interface Configuration {
  readonly name: string;
  readonly branches: number;
  /** How often the coordinator may stop and start again, at any point. A failed force is one of these points. */
  readonly coordinatorCrashes: 0 | 1 | 2;
  /** How often a participant may die and come back as another instance, over all branches. */
  readonly participantCrashes: 0 | 1 | 2;
  /** Two instances of its participant speak for the branch, the only one, at the same time; a stream may break and come back. */
  readonly twoInstances: boolean;
  /** How many answers of engines to PREPARE and COMMIT may be lost, so that they are carried out later, or never. */
  readonly lostAnswers: 0 | 1 | 2;
  /** Somebody ends one prepared branch by hand. */
  readonly administrator: boolean;
  /** An operator rolls the transaction back, and vouches for the end of a branch, once each, truthfully or not. */
  readonly operator: boolean;
  /** An engine forgets how a branch ended. */
  readonly evidenceLoss: boolean;
  /**
   * A first statement may reach a later instance although its client had an answer to it, and has asked for the commit: a repetition that
   * was on its way, or a client that repeats. Otherwise only a client without an answer repeats.
   */
  readonly repeats: boolean;
  /** Evidence rows are swept, and deleted when their transaction is accounted for; otherwise they stay. */
  readonly sweeps: boolean;
  /** A completed transaction may leave the coordinator's memory. */
  readonly eviction: boolean;
  /** Clients that enlist by name, and clients that name no instance in their commit request. */
  readonly otherClients: boolean;
}
