// What a schema refuses, in sentences: the setting, what is wrong, where the value came from. Values of secrets are never in them.
import type { core } from 'zod';
import { fileFormOf, type Setting } from './settings.ts';
import { describeOrigin, type Given } from './sources.ts';
import { nearest } from './suggest.ts';

export function problemOf(
  issue: core.$ZodIssue,
  settings: readonly Setting[],
  givenByKey: ReadonlyMap<string, Given>,
  lines: ReadonlyMap<string, number>,
): readonly string[] {
  const key = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => unknownKey(key === '' ? name : `${key}.${name}`, settings));
  }
  const setting = settings.find((candidate) => candidate.key === key);
  const given = givenByKey.get(key);
  if (setting !== undefined && given === undefined) {
    const file = setting.secret ? `, better ${fileFormOf(setting).flag} or ${fileFormOf(setting).env}` : '';
    return [`${key} is missing: give ${setting.flag} or ${setting.env}${file}`];
  }
  const line = given?.origin.kind === 'file' || given === undefined ? lines.get(key) : undefined;
  const place = line === undefined ? '' : `line ${line}`;
  const from = given === undefined ? [place] : [`from ${describeOrigin(given.origin)}`, place];
  const said = from.filter((part) => part !== '').join(', ');
  const origin = said === '' ? '' : ` (${said})`;
  return [`${key} ${setting === undefined ? sentenceOf(issue) : expectation(setting, issue, given)}${origin}`];
}

function unknownKey(key: string, settings: readonly Setting[]): string {
  const known = settings.flatMap((setting) =>
    setting.secret ? [setting.key, fileFormOf(setting).key] : [setting.key],
  );
  const suggestion = nearest(key, known) ?? nearest(key.split('.').at(-1) ?? '', known);
  const advice = suggestion === undefined ? `known are ${known.join(', ')}` : `did you mean ${suggestion}?`;
  return `${key} is not a setting: ${advice}`;
}

function expectation(setting: Setting, issue: core.$ZodIssue, given: Given | undefined): string {
  // Our own checks speak in sentences; the rest is told from the kind of the setting.
  if (issue.code === 'custom') {
    return issue.message;
  }
  const told = setting.secret || given === undefined ? '' : `, not ${shown(given.value)}`;
  switch (setting.kind) {
    case 'integer':
      return `must be a whole number from ${setting.bounds?.min} to ${setting.bounds?.max}${told}`;
    case 'boolean':
      return `must be true or false${told}`;
    case 'choice':
      return `must be one of ${setting.choices.join(', ')}${told}`;
    case 'text':
      return `must be a text${told}`;
  }
}

/** What is inside of an object or a list was meant for another setting, perhaps a secret. */
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'a list' : 'an object';
  }
  return JSON.stringify(value);
}

function sentenceOf(issue: core.$ZodIssue): string {
  return issue.code === 'invalid_type'
    ? `must be ${issue.expected === 'object' ? 'an object' : issue.expected}`
    : issue.message;
}
