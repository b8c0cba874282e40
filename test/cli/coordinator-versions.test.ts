// Coordinators of other versions: named, and still looked at as far as they answer.
import { describe, expect, it } from 'vitest';
import { ask } from './ask.ts';
import { type Handler, logStatus, transaction } from './scripted-coordinator.ts';

describe('versions (faults B70)', () => {
  it.each([
    [
      'newer',
      { version: '3.0.0', protocolVersion: 9 },
      /coordinator is 3\.0\.0 and speaks protocol 9.*upgrade this command/,
    ],
    [
      'older',
      { version: '', protocolVersion: 0 },
      /unknown version and speaks protocol 0.*upgrade it, or use its own command/,
    ],
  ])('a %s coordinator is named, and looking still works (faults B70)', async (_, version, message) => {
    const { exit, stdout, stderr } = await ask(['status'], { GetLogStatus: () => logStatus(version) });
    expect(stderr).toMatch(message);
    expect(stdout).toContain('serving');
    expect(exit).toBe(0);
  });

  it('a state of the future is shown as unknown with its number (faults B70)', async () => {
    const ListTransactions: Handler = () => ({
      transactions: [transaction({ state: 99 as never })],
      nextPageToken: '',
    });
    const { exit, stdout } = await ask(['tx', 'list'], { ListTransactions });
    expect(stdout).toContain('unknown-99');
    expect(exit).toBe(0);
  });

  it('a call that the coordinator does not know is named as such (faults B70)', async () => {
    const { exit, stderr } = await ask(['log', 'backup', 'x']);
    expect(stderr).toMatch(/^Error PROTOCOL: The server at <address> does not know this call/);
    expect(exit).toBe(4);
  });

  it('a coordinator without a health service still gives a status (faults B70)', async () => {
    const { exit, stdout } = await ask(['status'], {}, { health: 'none' });
    expect(stdout).toContain('health unknown');
    expect(exit).toBe(0);
  });
});
