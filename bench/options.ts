// What the bench's commands are told: read in one place, refused in one sentence.

export class UsageError extends Error {}

export function oneOf<T extends string>(known: readonly T[], text: string, option: string): T {
  const found = known.find((name) => name === text);
  if (found === undefined) {
    throw new UsageError(`${option}: ${text} is none of ${known.join(', ')}`);
  }
  return found;
}

export function positive(text: string, option: string): number {
  const value = notNegative(text, option);
  if (value === 0) {
    throw new UsageError(`${option}: ${text} is not a positive number`);
  }
  return value;
}

export function notNegative(text: string, option: string): number {
  const value = Number(text);
  if (text === '' || !(value >= 0 && Number.isFinite(value))) {
    throw new UsageError(`${option}: ${text} is not a number from 0 on`);
  }
  return value;
}

/** Runs `command`; what was asked for wrongly is one sentence, the help, and exit code 2. */
export async function orComplain(help: string, command: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await command();
  } catch (error) {
    if (!(error instanceof UsageError)) {
      throw error;
    }
    console.error(`${error.message}\n\n${help}`);
    process.exitCode = 2;
  }
}
