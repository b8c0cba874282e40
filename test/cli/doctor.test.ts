// The command `doctor`: every check, what it finds, and the exit code of the worst.
import { describe, expect, it } from 'vitest';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { ask } from './ask.ts';
import { logStatus, resource } from './scripted-coordinator.ts';

describe('doctor', () => {
  it('ends with 0 and a mark for each check while all is well', async () => {
    const { exit, stdout } = await ask(['doctor']);
    expect(exit).toBe(0);
    expect(stdout.match(/^✓/gm)).toHaveLength(10);
    expect(stdout).not.toMatch(/[✗!]/);
  });

  it('warns of two names for one database (faults B60)', async () => {
    const { exit, stdout } = await ask(['doctor'], {
      ListResources: () => ({ resources: [resource(), resource({ name: 'ledger' })] }),
    });
    expect(stdout).toMatch(/^! resources: accounts and ledger are the same database\n {4}fix: /m);
    expect(exit).toBe(0);
  });

  it('a branch of a newer epoch means an old copy of the log: 9', async () => {
    const { exit, stdout } = await ask(['doctor'], {
      ListResources: () => ({ resources: [resource({ quarantinedBranches: 2 })] }),
    });
    expect(stdout).toMatch(/2 branches are of a newer epoch/);
    expect(exit).toBe(9);
  });

  it('a database that does not answer fails its own check, not the others', async () => {
    const { exit, stdout } = await ask(['doctor'], {
      ListResources: () => ({ resources: [resource(), resource({ name: 'orders', engineIdentity: 'mariadb:1' })] }),
      ScanResource: ({ resource: name }) => {
        if (name === 'accounts') {
          throw new CoordinatorError('RESOURCE_UNAVAILABLE', 'the sidecar of accounts does not answer');
        }
        return { branches: [], findings: [] };
      },
    });
    expect(stdout).toMatch(/✗ resource accounts, database: the sidecar of accounts does not answer/);
    expect(stdout).toMatch(/✓ resource orders, database: nothing to fix/);
    expect(exit).toBe(6);
  });

  it.each([
    ['little room', { freeBytes: 1_000_000 }, /✗ log room: 976\.6 KiB free/, 4],
    ['a slow disk', { flushMicros: 80_000 }, /! log flush: 80\.0 ms median/, 0],
  ])('%s is found', async (_, fields, message, expected) => {
    const { exit, stdout } = await ask(['doctor'], { GetLogStatus: () => logStatus(fields) });
    expect(stdout).toMatch(message);
    expect(exit).toBe(expected);
  });
});
