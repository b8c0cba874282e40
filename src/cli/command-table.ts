// Every command by name, and where its code is: a file is loaded only when its command is named, so that --help stays quick.
import type { CommandEntry } from './run/command-entry.ts';

const PROGRAMS = 'Programs:';
const OPERATORS = 'Looking and settling:';
const SETTINGS = 'Settings:';

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'coordinator',
    summary: 'run the coordinator',
    group: PROGRAMS,
    load: async () => (await import('./commands/coordinator.ts')).defineCoordinator,
  },
  {
    name: 'participant',
    summary: 'run the sidecar of a database, or of several',
    group: PROGRAMS,
    load: async () => (await import('./commands/participant.ts')).defineParticipant,
  },
  {
    name: 'dev',
    summary: 'run a whole Concordat with databases on this machine',
    group: PROGRAMS,
    load: async () => (await import('./commands/dev.ts')).defineDev,
  },
  {
    name: 'status',
    summary: 'one screen: serving or not, what is open, in doubt or damaged',
    group: OPERATORS,
    load: async () => (await import('./commands/status.ts')).defineStatus,
  },
  {
    name: 'tx',
    summary: 'transactions: list, show, explain, retry, resolve, forget',
    group: OPERATORS,
    load: async () => (await import('./commands/tx/tx.ts')).defineTx,
  },
  {
    name: 'resource',
    summary: 'resources: list, health, accept, forget, check, scan',
    group: OPERATORS,
    load: async () => (await import('./commands/resource/resource.ts')).defineResource,
  },
  {
    name: 'audit',
    summary: 'what people did by hand: list, export',
    group: OPERATORS,
    load: async () => (await import('./commands/audit.ts')).defineAudit,
  },
  {
    name: 'log',
    summary: 'the log: status, verify, backup, adopt',
    group: OPERATORS,
    load: async () => (await import('./commands/log/log.ts')).defineLog,
  },
  {
    name: 'drain',
    summary: 'stop the coordinator after its open transactions',
    group: OPERATORS,
    load: async () => (await import('./commands/drain.ts')).defineDrain,
  },
  {
    name: 'doctor',
    summary: 'check everything and say how to fix what is wrong',
    group: OPERATORS,
    load: async () => (await import('./commands/doctor.ts')).defineDoctor,
  },
  {
    name: 'config',
    summary: 'settings of the programs: check, show',
    group: SETTINGS,
    load: async () => (await import('./commands/config.ts')).defineConfig,
  },
  {
    name: 'completion',
    summary: 'print what completes commands and options in your shell',
    group: SETTINGS,
    load: async () => {
      const { defineCompletion } = await import('./commands/completion.ts');
      return (command) => defineCompletion(command, COMMANDS);
    },
  },
];
