// What the command line knows of a command before its code is loaded.
import type { Command } from 'commander';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: string;
  /** Adds options, subcommands and the action to the bare command. */
  readonly load: () => Promise<(command: Command) => void>;
}
