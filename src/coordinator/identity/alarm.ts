// One thing that a person must know of this coordinator as a whole, and what to do about it.

export interface Alarm {
  /** Of the catalogue, or a word of its own: OTHER_LOG_BRANCHES, QUARANTINED. */
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}
