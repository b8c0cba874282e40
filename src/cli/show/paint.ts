// Colour, where it is wanted: a tone is a meaning, and without colour only the words carry it.

export type Tone = 'strong' | 'good' | 'bad' | 'warning' | 'faint';
export type Paint = (tone: Tone, text: string) => string;

const CODES: Readonly<Record<Tone, readonly [on: number, off: number]>> = {
  strong: [1, 22],
  good: [32, 39],
  bad: [31, 39],
  warning: [33, 39],
  faint: [2, 22],
};

export const plain: Paint = (_tone, text) => text;

export const ansi: Paint = (tone, text) => {
  const [on, off] = CODES[tone];
  return `\u001b[${on}m${text}\u001b[${off}m`;
};
