// The invariants of Concordat, numbered once. The numbers are cited in the code, the checker, the simulator and the docs.

export const INVARIANTS = {
  D1: 'A branch is told to commit only after the decision is durable.',
  D2: 'Once a decision may be durable, no timeout, cancellation, shutdown, participant answer or operator turns it.',
  D3: 'A transaction commits only if every branch it opened voted prepared or read-only, each vote verified at the engine.',
  D4: 'All branches end alike, unless one is recorded as damaged with evidence.',
  D5: 'What a client was told never contradicts the final state.',
  D6: '"Not found" is never read as done: a branch is finished when its engine proves it.',
  D7: 'Nothing leaves the log by age: a decision names every branch and goes when each is accounted for.',
  D8: 'Only branches of our own identity are touched; a branch of a newer epoch means the wrong or an older log.',
  D9: 'Every message may be lost, repeated, reordered or late without harm; a late prepare never revives a transaction.',
  D10: 'Safety never depends on wall-clock time.',
  D11: 'One unreachable participant delays nobody else.',
  D12: 'When faults stop, every transaction of a reachable participant ends within a bound.',
} as const;
