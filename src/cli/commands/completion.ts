// `concordat completion`: prints a script for a shell, made from the commands as they are.
import { Argument, Command } from 'commander';
import { EXIT } from '../../xa/errors.ts';
import type { CommandEntry } from '../run/command-entry.ts';
import { addGlobalOptions, onRun } from '../run/globals.ts';
import { type CompletedCommand, completionScript, SHELLS, type Shell } from '../show/completion-scripts.ts';

export function defineCompletion(completion: Command, entries: readonly CommandEntry[]): void {
  completion
    .description('Print a script that completes commands and options of concordat in your shell.')
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  $ source <(concordat completion bash)                                         in ~/.bashrc
  $ concordat completion bash > /etc/bash_completion.d/concordat                for everybody
  $ concordat completion zsh > "\${fpath[1]}/_concordat"                         then start zsh again
  $ concordat completion fish > ~/.config/fish/completions/concordat.fish
`,
    );
  onRun<object>(completion, async (_context, _options, [shell = '']) => {
    process.stdout.write(completionScript(shell as Shell, await commandsOf(entries)));
    return EXIT.ok;
  });
}

async function commandsOf(entries: readonly CommandEntry[]): Promise<readonly CompletedCommand[]> {
  const root = new Command();
  addGlobalOptions(root);
  for (const { name, summary, load } of entries) {
    const command = root.command(name).description(summary).summary(summary);
    (await load())(command);
  }
  const globals = optionsOf(root);
  const all: CompletedCommand[] = [];
  const visit = (command: Command, path: string): void => {
    const subcommands = command.commands.map((each) => ({ text: each.name(), meaning: each.summary() }));
    const own = command === root ? [] : optionsOf(command);
    const help = { text: '--help', meaning: 'print this help', takesValue: false };
    all.push({ path, subcommands, options: [...own, ...globals, help] });
    for (const each of command.commands) {
      visit(each, `${path} ${each.name()}`.trim());
    }
  };
  visit(root, '');
  return all;
}

function optionsOf(command: Command): CompletedCommand['options'] {
  return command.options
    .filter(({ hidden }) => !hidden)
    .map((option) => ({
      text: option.long ?? option.short ?? '',
      meaning: option.description,
      takesValue: option.required || option.optional,
    }));
}
