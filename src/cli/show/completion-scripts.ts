// What a shell reads to complete commands and options: plain text from the list of commands, so that it needs no program when it is used.

/** One command, with what may follow it. */
export interface CompletedCommand {
  /** `` for the program itself, then `tx`, `tx list`. */
  readonly path: string;
  readonly subcommands: readonly Word[];
  readonly options: readonly (Word & { readonly takesValue: boolean })[];
}

interface Word {
  readonly text: string;
  readonly meaning: string;
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, commands: readonly CompletedCommand[]): string {
  return { bash, zsh, fish }[shell](commands);
}

/** After an option with a value the shell proposes files, as it does for commands that it does not know. */
function bash(commands: readonly CompletedCommand[]): string {
  const paths = commands.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  const words = commands.map(
    ({ path, subcommands, options }) =>
      `    '${path}') words='${[...subcommands, ...options].map(({ text }) => text).join(' ')}' ;;`,
  );
  return `# concordat completion bash
_concordat() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' words='' word next
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in ${paths.join('|')}) path="$next" ;; esac
  done
  case "\${COMP_WORDS[COMP_CWORD-1]}" in ${valueOptions(commands).join('|')}) return ;; esac
  case "$path" in
${words.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _concordat concordat
`;
}

function zsh(commands: readonly CompletedCommand[]): string {
  const paths = commands.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  const words = commands.map(({ path, subcommands, options }) => {
    const each = [...subcommands, ...options].map(
      ({ text, meaning }) => `'${text.replaceAll(':', '\\:')}:${quoted(meaning)}'`,
    );
    return `    '${path}') words=(${each.join(' ')}) ;;`;
  });
  return `#compdef concordat
# concordat completion zsh
_concordat() {
  local path='' word next
  local -a words_before words
  words_before=("\${(@)words[2,CURRENT-1]}")
  words=()
  for word in $words_before; do
    next="\${path:+$path }$word"
    case "$next" in ${paths.join('|')}) path="$next" ;; esac
  done
  case "\${words_before[-1]}" in ${valueOptions(commands).join('|')}) _files; return ;; esac
  case "$path" in
${words.join('\n')}
  esac
  _describe 'concordat' words
}
compdef _concordat concordat
`;
}

function fish(commands: readonly CompletedCommand[]): string {
  const top = commands.find(({ path }) => path === '')?.subcommands.map(({ text }) => text) ?? [];
  const lines = commands.flatMap(({ path, subcommands, options }) => {
    const condition = fishCondition(path, subcommands, top);
    return [
      ...subcommands.map(
        ({ text, meaning }) => `complete -c concordat -f -n '${condition}' -a ${text} -d '${quoted(meaning)}'`,
      ),
      ...options.map(({ text, meaning, takesValue }) => {
        const name = text.startsWith('--') ? `-l ${text.slice(2)}` : `-s ${text.slice(1)}`;
        return `complete -c concordat -n '${condition}' ${name}${takesValue ? ' -r' : ''} -d '${quoted(meaning)}'`;
      }),
    ];
  });
  return `# concordat completion fish\n${lines.join('\n')}\n`;
}

function fishCondition(path: string, subcommands: readonly Word[], top: readonly string[]): string {
  if (path === '') {
    return `not __fish_seen_subcommand_from ${top.join(' ')}`;
  }
  const seen = path.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`);
  const not =
    subcommands.length === 0
      ? []
      : [`not __fish_seen_subcommand_from ${subcommands.map(({ text }) => text).join(' ')}`];
  return [...seen, ...not].join('; and ');
}

function valueOptions(commands: readonly CompletedCommand[]): readonly string[] {
  const all = commands.flatMap(({ options }) => options.filter(({ takesValue }) => takesValue));
  return [...new Set(all.map(({ text }) => text))];
}

/** Within single quotes of any of the three shells: a quote inside is left out. */
function quoted(text: string): string {
  return text.replaceAll("'", '').replaceAll(/\s+/g, ' ');
}
