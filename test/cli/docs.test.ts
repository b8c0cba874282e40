// docs/cli.md and docs/settings.md say what the command line does.
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/command-table.ts';
import { PROGRAMS, SCHEMAS } from '../../src/cli/config/programs.ts';
import { fileFormOf, type Setting, settingsOf } from '../../src/cli/config/settings.ts';
import { EXIT_MEANINGS } from '../../src/cli/run/exit-codes.ts';

const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');

/** Full names of the commands that a person can run, as the page counts them. */
async function commandNames(): Promise<readonly string[]> {
  const names = await Promise.all(
    COMMANDS.map(async ({ name, load }) => {
      const command = new Command(name);
      (await load())(command);
      return command.commands.length === 0 ? [name] : command.commands.map((each) => `${name} ${each.name()}`);
    }),
  );
  return names.flat();
}

it('the page lists every command, and no other', async () => {
  const listed = [...page.matchAll(/^\| `concordat ([a-z ]+)` \|/gm)].map((match) => match[1]);
  expect(listed).toEqual(await commandNames());
});

it('the page lists every exit code with the words of the help', () => {
  const listed = [...page.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map((match) => [Number(match[1]), match[2]]);
  expect(listed).toEqual(EXIT_MEANINGS);
});

describe('settings', () => {
  function row(setting: Setting): string {
    const { key, flag, env, bounds, choices, fallback, required, secret, description } = setting;
    const cells = [
      `\`${key}\`${secret ? ` or \`${fileFormOf(setting).key}\`` : ''}`,
      `\`${flag}\`${secret ? `, \`${fileFormOf(setting).flag}\`` : ''}`,
      `\`${env}\`${secret ? `, \`${fileFormOf(setting).env}\`` : ''}`,
      required ? 'required' : fallback === undefined ? '' : `\`${String(fallback)}\``,
      bounds === undefined ? choices.join(', ') : `${bounds.min} to ${bounds.max}`,
      description,
    ];
    return `| ${cells.join(' | ')} |`;
  }

  it('docs/settings.md is what the schemas say (written by this test: npx vitest run test/cli/docs -u)', async () => {
    const sections = PROGRAMS.map((program) => [
      `## concordat ${program}`,
      '',
      '| file | flag | environment | default | range | meaning |',
      '|---|---|---|---|---|---|',
      ...settingsOf(SCHEMAS[program]).map(row),
      '',
    ]);
    const text = ['# Settings', '', 'How they are read: [cli.md](cli.md).', '', ...sections.flat()].join('\n');
    await expect(text).toMatchFileSnapshot('../../docs/settings.md');
  });
});
