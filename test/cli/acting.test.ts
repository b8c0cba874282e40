// The commands that change something: effects first, then a confirmation, and never a prompt that hangs.
import { describe, expect, it } from 'vitest';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { type CliResult, runCli, runCliOnTerminal } from './run-cli.ts';
import {
  type Handler,
  healthyHandlers,
  ID,
  logStatus,
  openScriptedCoordinator,
  type ScriptedCoordinator,
  transaction,
} from './scripted-coordinator.ts';

const REASON = 'client is gone, INC-1234';
const RESOLVE = ['tx', 'resolve', ID, '--rollback', '--reason', REASON];
const FORGET = ['tx', 'forget', ID, '--reason', REASON];
const EFFECTS = ['The transaction would be rolled back.', 'orders: its branch would be rolled back.'];

const ACTING: Readonly<Record<string, Handler>> = {
  ResolveTransaction: () => ({ transaction: transaction({ version: 12 }), effects: EFFECTS }),
  ForgetTransaction: () => ({ effects: ['The heuristic outcome would be forgotten.'] }),
};

interface Ran extends CliResult {
  readonly calls: ScriptedCoordinator['calls'];
}

async function act(
  args: readonly string[],
  options: {
    readonly handlers?: Readonly<Record<string, Handler>>;
    readonly typed?: string;
    readonly stdin?: string;
  } = {},
): Promise<Ran> {
  const handlers = healthyHandlers({ ...ACTING, ...options.handlers });
  await using coordinator = await openScriptedCoordinator({ handlers });
  const all = [...args, '--coordinator', coordinator.address];
  const result =
    options.typed === undefined
      ? await runCli(all, options.stdin === undefined ? {} : { stdin: options.stdin })
      : await runCliOnTerminal(all, { stdin: options.typed });
  return { ...result, calls: coordinator.calls };
}

/** What really would have changed something. */
function changes({ calls }: Ran): readonly Record<string, unknown>[] {
  return calls
    .filter(({ method, request }) => /Resolve|Forget/.test(method) && request['dryRun'] === false)
    .map(({ request }) => request);
}

describe('without a terminal', () => {
  it.each([
    ['resolve', RESOLVE, EFFECTS],
    ['forget', FORGET, ['The heuristic outcome would be forgotten.']],
  ])('%s without --yes shows the effects, changes nothing and ends with 10 (faults B66)', async (_, args, effects) => {
    for (const stdin of [undefined, '', `${ID.slice(-6)}\n`]) {
      const ran = await act(args, stdin === undefined ? {} : { stdin });
      expect(ran.exit).toBe(10);
      expect(ran.stdout).toBe('');
      expect(ran.stderr).toMatch(/^Error CONFIRMATION_MISSING: .*no terminal/);
      for (const effect of effects) {
        expect(ran.stderr).toContain(`  - ${effect}\n`);
      }
      expect(changes(ran)).toEqual([]);
    }
  });

  it('the refusal is one JSON document with the effects when JSON is wanted (faults B66)', async () => {
    const { exit, stderr } = await act([...RESOLVE, '--output', 'json']);
    expect(exit).toBe(10);
    expect(JSON.parse(stderr)).toMatchObject({ reason: 'CONFIRMATION_MISSING', details: EFFECTS, exitCode: 10 });
  });

  it('--yes acts once, on the version that was shown, with reason, operator and a request id of its own', async () => {
    const ran = await act([...RESOLVE, '--yes']);
    expect(ran.exit).toBe(0);
    expect(ran.stdout).toContain('Done:\n  - The transaction would be rolled back.');
    const [dryRun, real, ...more] = ran.calls.filter(({ method }) => method === 'ResolveTransaction');
    expect(more).toEqual([]);
    expect(dryRun?.request).toMatchObject({ dryRun: true, gtrid: ID });
    expect(real?.request).toMatchObject({
      gtrid: ID,
      resolution: 'RESOLUTION_ROLLBACK',
      bqual: '',
      reason: REASON,
      operator: expect.stringMatching(/^[!-~]+@[!-~]+$/),
      dryRun: false,
      expectedVersion: 12,
      requestId: expect.stringMatching(/^cli-[a-z2-7]{26}$/),
    });
    expect(real?.request['requestId']).not.toBe(dryRun?.request['requestId']);
    const again = await act([...RESOLVE, '--yes']);
    expect(changes(again)[0]?.['requestId']).not.toBe(real?.request['requestId']);
  });

  it('forget --yes acts once', async () => {
    const ran = await act([...FORGET, '--yes', '--output', 'json']);
    expect(ran.exit).toBe(0);
    expect(changes(ran)).toMatchObject([{ gtrid: ID, reason: REASON }]);
    expect(JSON.parse(ran.stdout)).toMatchObject({ version: 1, kind: 'forgetting', dryRun: false, id: ID });
  });

  it.each([
    ['resolve', RESOLVE],
    ['forget', FORGET],
  ])('%s --dry-run shows the effects as data and changes nothing', async (_, args) => {
    const ran = await act([...args, '--dry-run', '--yes']);
    expect(ran.exit).toBe(0);
    expect(ran.stdout).toMatch(/^This would happen:\n {2}- The /);
    expect(changes(ran)).toEqual([]);
  });

  it('a transaction that ends at once is no error', async () => {
    const ran = await act([...RESOLVE, '--yes'], {
      handlers: { ResolveTransaction: () => ({ transaction: null, effects: ['rolled back'] }) },
    });
    expect(ran).toMatchObject({ exit: 0, stdout: 'Done:\n  - rolled back\n' });
  });
});

describe('at a terminal', () => {
  it('the last six characters of the id confirm', async () => {
    const ran = await act(RESOLVE, { typed: `${ID.slice(-6)}\n` });
    expect(ran.stdout).toContain(EFFECTS[0]);
    expect(ran.stdout).toContain('Type the last six characters');
    expect(changes(ran)).toHaveLength(1);
    expect(ran.exit).toBe(0);
  });

  it.each([
    ['anything else', 'yes\n'],
    ['an empty line', '\n'],
    ['the end of the input', '\u0004'],
  ])('%s does not: exit 10, nothing changed', async (_, typed) => {
    const ran = await act(RESOLVE, { typed });
    expect(ran.stdout).toContain('CONFIRMATION_MISSING');
    expect(changes(ran)).toEqual([]);
    expect(ran.exit).toBe(10);
  });

  it('--no-input does not ask: exit 10', async () => {
    const ran = await act([...RESOLVE, '--no-input'], { typed: `${ID.slice(-6)}\n` });
    expect(ran.stdout).toContain('there is no terminal to ask at');
    expect(ran.exit).toBe(10);
  });
});

describe('what is refused before anything is sent', () => {
  it.each([
    ['an empty reason (faults B83)', '', /has 0 characters/],
    ['nine characters and spaces (faults B83)', '  123456789  ', /has 9 characters/],
    ['1,001 characters (faults B83)', 'x'.repeat(1_001), /has 1001 characters/],
    ['a line break (faults B83)', 'one line\nand another', /not printable/],
    ['an escape sequence (faults B83)', 'looks \u001b[2J harmless', /not printable/],
    ['a right-to-left mark (faults B83)', 'looks \u202e harmless', /not printable/],
  ])('%s as the reason', async (_, reason, message) => {
    const ran = await act(['tx', 'forget', ID, '--reason', reason, '--yes']);
    expect(ran.stderr).toMatch(message);
    expect(ran).toMatchObject({ exit: 2, calls: [] });
  });

  it('a reason of 1,000 characters passes (faults B83)', async () => {
    expect((await act(['tx', 'forget', ID, '--reason', 'ü'.repeat(1_000), '--yes'])).exit).toBe(0);
  });

  it('no reason', async () => {
    expect(await act(['tx', 'forget', ID, '--yes'])).toMatchObject({ exit: 2, calls: [] });
  });

  it.each([
    [[]],
    [['--rollback', '--committed']],
    [['--rollback', '--branch', 'orders', '--committed']],
    [['--branch', 'orders']],
    [['--branch', 'orders', '--committed', '--rolled-back']],
    [['--committed']],
    [['--branch', 'Or ders', '--committed']],
  ])('resolutions that are not exactly one: %j', async (options) => {
    const ran = await act(['tx', 'resolve', ID, '--reason', REASON, '--yes', ...options]);
    expect(ran.stderr).toMatch(/^Error USAGE/);
    expect(ran).toMatchObject({ exit: 2, calls: [] });
  });

  it.each([
    ['--committed', 'RESOLUTION_BRANCH_COMMITTED'],
    ['--rolled-back', 'RESOLUTION_BRANCH_ROLLED_BACK'],
  ])('a branch may be settled as %s', async (option, resolution) => {
    const ran = await act(['tx', 'resolve', ID, '--branch', 'orders.2', option, '--reason', REASON, '--yes']);
    expect(changes(ran)).toMatchObject([{ resolution, bqual: 'orders.2' }]);
  });

  it('a request id that is not printable', async () => {
    const ran = await act([...FORGET, '--yes', '--request-id', 'a b']);
    expect(ran).toMatchObject({ exit: 2, calls: [] });
  });
});

describe('what goes wrong on the way', () => {
  it('a coordinator of another protocol is not asked to change anything (faults B70)', async () => {
    const ran = await act([...RESOLVE, '--yes'], {
      handlers: { GetLogStatus: () => logStatus({ protocolVersion: 9 }) },
    });
    expect(ran.stderr).toMatch(/^Error PROTOCOL: .*nothing was changed/);
    expect(ran.exit).toBe(4);
    expect(ran.calls.map(({ method }) => method)).toEqual(['GetLogStatus']);
  });

  it('a refusal by the coordinator stops before the question', async () => {
    const ran = await act(RESOLVE, {
      handlers: {
        ResolveTransaction: () => {
          throw new CoordinatorError('RESOLUTION_CONTRADICTS', 'the decision to commit is durable');
        },
      },
    });
    expect(ran.stderr).toMatch(/^Error RESOLUTION_CONTRADICTS: /);
    expect(ran.exit).toBe(4);
  });

  it('a change since the look is a conflict, and is not overrun', async () => {
    const ran = await act([...RESOLVE, '--yes'], {
      handlers: {
        ResolveTransaction: ({ dryRun }) => {
          if (dryRun !== true) {
            throw new CoordinatorError('VERSION_CONFLICT', 'it is at version 13');
          }
          return { transaction: transaction(), effects: [] };
        },
      },
    });
    expect(ran.stderr).toMatch(/^Error VERSION_CONFLICT: it is at version 13/);
    expect(ran.exit).toBe(4);
  });

  it('a lost answer says that it may have been done and how to repeat it safely', async () => {
    const never = new Promise<object>(() => undefined);
    const ran = await act([...RESOLVE, '--yes', '--timeout', '400', '--request-id', 'INC-1234'], {
      handlers: {
        ResolveTransaction: ({ dryRun }) => (dryRun === true ? { transaction: transaction(), effects: [] } : never),
      },
    });
    expect(ran.exit).toBe(6);
    expect(ran.stderr).toMatch(/may have been done.*--request-id INC-1234/);
  });
});
