// What the coordinator refuses, does not know or never answers: the words on the screen, and the exit code.
import { describe, expect, it } from 'vitest';
import { CoordinatorError, type ErrorCode } from '../../src/xa/errors.ts';
import { ask } from './ask.ts';
import { ID, transaction } from './scripted-coordinator.ts';

describe('errors of the coordinator', () => {
  it.each<[ErrorCode, number]>([
    ['TXN_NOT_FOUND', 3],
    ['OUTCOME_EXPIRED', 3],
    ['TXN_STATE', 4],
    ['RESOURCE_IDENTITY', 5],
    ['DRAINING', 6],
    ['OUTCOME_UNKNOWN', 7],
    ['HEURISTIC_OUTCOME', 8],
    ['LOG_DAMAGED', 9],
    ['FIELD_INVALID', 2],
    ['INTERNAL', 1],
  ])('%s ends with %d, its reason and its advice', async (code, exit) => {
    const result = await ask(['tx', 'show', ID], {
      GetTransaction: () => {
        throw new CoordinatorError(code, 'because \u001b of this');
      },
    });
    expect(result.stderr).toMatch(new RegExp(`^Error ${code}: because \\\\x1b of this\nNext: .{10,}\n$`));
    expect(result).toMatchObject({ exit, stdout: '' });
  });

  it('an unknown outcome is shown, and ends with 7', async () => {
    const unknown = transaction({ state: 'TRANSACTION_STATE_COMPLETED', outcome: 'OUTCOME_UNKNOWN', branches: [] });
    for (const verb of ['show', 'explain']) {
      const { exit, stdout } = await ask(['tx', verb, ID], { GetTransaction: () => ({ transaction: unknown }) });
      expect(exit).toBe(7);
      expect(stdout).toContain('unknown');
    }
  });

  it('an answer that does not come in time ends with 6', async () => {
    const never = new Promise<object>(() => undefined);
    const { exit, stderr, elapsedMs } = await ask(['log', 'status', '--timeout', '300'], { GetLogStatus: () => never });
    expect(stderr).toMatch(/^Error DEADLINE: No answer from <address> within 300 ms/);
    expect(exit).toBe(6);
    expect(elapsedMs).toBeLessThan(10_000);
  });
});
