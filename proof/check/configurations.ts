// The worlds that one run goes through. Each is explored to the end; what they bound is how many faults of a kind may come together,
// never when or in which order they come.
import type { Configuration } from './configuration.ts';

type Faults = Omit<Configuration, 'branches' | 'name'>;

const NOBODY: Faults = {
  coordinatorCrashes: 1,
  participantCrashes: 0,
  twoInstances: false,
  lostAnswers: 0,
  administrator: false,
  operator: false,
  evidenceLoss: false,
  repeats: false,
  sweeps: false,
  eviction: false,
  otherClients: false,
};

/** By the number of branches: more of them make many more states, so that fewer faults may come together. */
const WORLDS: Readonly<Record<number, Readonly<Record<string, Partial<Faults>>>>> = {
  1: {
    crashes: { coordinatorCrashes: 2, participantCrashes: 1, lostAnswers: 2, eviction: true },
    rows: {
      coordinatorCrashes: 2,
      participantCrashes: 1,
      lostAnswers: 2,
      sweeps: true,
      eviction: true,
    },
    clients: { participantCrashes: 1, lostAnswers: 1, eviction: true, otherClients: true },
    repeats: {
      coordinatorCrashes: 2,
      participantCrashes: 1,
      lostAnswers: 1,
      sweeps: true,
      eviction: true,
      repeats: true,
    },
    'two instances': { twoInstances: true, repeats: true, coordinatorCrashes: 0 },
    'two instances, restart': { twoInstances: true },
    people: { participantCrashes: 1, lostAnswers: 1, administrator: true, operator: true },
    evidence: { participantCrashes: 1, lostAnswers: 1, operator: true, evidenceLoss: true },
  },
  // The small ones first: a mistake is mostly found in seconds.
  2: {
    'rows, lost answers': { lostAnswers: 1, sweeps: true },
    clients: { eviction: true, otherClients: true },
    evidence: { operator: true, evidenceLoss: true },
    rows: { participantCrashes: 1, sweeps: true },
    people: { administrator: true, operator: true },
    repeats: { participantCrashes: 1, sweeps: true, repeats: true },
    crashes: { participantCrashes: 1, lostAnswers: 1 },
  },
  3: {
    crashes: {},
    rows: { sweeps: true },
  },
};

/** With `--deep`: more faults together, for a long run. */
const DEEP: Readonly<Record<number, Readonly<Record<string, Partial<Faults>>>>> = {
  1: {
    'two instances, streams': { twoInstances: true, participantCrashes: 1, coordinatorCrashes: 0 },
    everything: {
      coordinatorCrashes: 2,
      participantCrashes: 1,
      lostAnswers: 1,
      administrator: true,
      operator: true,
      evidenceLoss: true,
      eviction: true,
      otherClients: true,
    },
  },
  2: {
    'clients, crashes': { participantCrashes: 1, eviction: true, otherClients: true },
    'rows, both': { participantCrashes: 1, lostAnswers: 1, sweeps: true },
    'hands, rows': { administrator: true, lostAnswers: 1, sweeps: true },
    'more crashes': { coordinatorCrashes: 2, participantCrashes: 2, lostAnswers: 1 },
  },
  3: {
    'lost answers': { lostAnswers: 1 },
    participants: { participantCrashes: 1 },
  },
};

/** @param deep the larger worlds as well. */
export function configurations(branches: number, deep: boolean): readonly Configuration[] {
  const worlds = { ...WORLDS[branches], ...(deep ? DEEP[branches] : {}) };
  return Object.entries(worlds).map(([name, faults]) => ({ ...NOBODY, ...faults, name, branches }));
}
