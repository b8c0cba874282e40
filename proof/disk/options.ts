// The command line of the two proofs.
import { parseArgs } from 'node:util';

/** @throws {UsageError} for what it does not know, and numbers that are none. */
export function readOptions<Name extends string>(
  args: readonly string[],
  kinds: Readonly<Record<Name, 'number' | 'text' | 'flag'>>,
): Readonly<Partial<Record<Name, string | true>>> {
  try {
    const options = Object.fromEntries(
      Object.entries(kinds).map(([name, kind]) => [name, { type: kind === 'flag' ? 'boolean' : 'string' } as const]),
    );
    const { values } = parseArgs({ args: [...args], options });
    for (const [name, kind] of Object.entries(kinds)) {
      const value = values[name];
      if (kind === 'number' && value !== undefined && !/^\d{1,9}$/.test(String(value))) {
        throw new UsageError(`--${name} needs a whole number, not ${String(value)}`);
      }
    }
    return values as Partial<Record<Name, string | true>>;
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** What the person at the keyboard has to fix: one sentence, exit code 2. */
export class UsageError extends Error {}
