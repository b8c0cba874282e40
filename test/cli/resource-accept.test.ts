// `concordat resource accept`, and how a participant that is refused is shown: both kept whole in golden files.
import { describe, expect, it } from 'vitest';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { ask } from './ask.ts';
import { runCliOnTerminal } from './run-cli.ts';
import { type Handler, healthyHandlers, ID, openScriptedCoordinator, resource } from './scripted-coordinator.ts';

const FORMER = 'postgresql:7433000000000000001:16384';
const SUCCESSOR = 'postgresql:7499000000000000009:16401';
const EFFECTS = [`accounts is ${SUCCESSOR} from now on`, 'the sidecar takes part as soon as it asks again'];
const ACCEPT = ['resource', 'accept', 'accounts', '--reason', 'upgraded to 18, INC-1234'];

const REFUSED = {
  instance: 'p2',
  kind: 'PARTICIPANT_KIND_SIDECAR',
  address: '127.0.0.1:9002',
  engine: 'postgresql',
  engineVersion: '18.0',
  engineIdentity: SUCCESSOR,
  refusedMs: 4_000,
  message: `resource accounts is the engine ${FORMER}, and this participant speaks for ${SUCCESSOR}`,
} as const;

const CLEAR: Readonly<Record<string, Handler>> = {
  AcceptResource: () => ({ formerIdentity: FORMER, engineIdentity: SUCCESSOR, pending: [], effects: EFFECTS }),
  ListResources: () => ({ resources: [resource({ participants: [], refused: REFUSED })] }),
};

const PENDING: Readonly<Record<string, Handler>> = {
  ...CLEAR,
  AcceptResource: () => ({
    formerIdentity: FORMER,
    engineIdentity: SUCCESSOR,
    pending: [
      { gtrid: ID, bqual: 'accounts', state: 'TRANSACTION_STATE_COMMITTING', fix: `concordat tx resolve ${ID} …` },
    ],
    pendingCount: 3,
    effects: EFFECTS,
  }),
};

describe('resource accept', () => {
  it('shows what it would do and what is pending (field P14)', async () => {
    const clear = await ask([...ACCEPT, '--dry-run'], CLEAR);
    expect(clear).toMatchObject({ exit: 0, stderr: '' });
    await expect(clear.stdout).toMatchFileSnapshot('golden/resource-accept.txt.golden');
    const json = await ask([...ACCEPT, '--dry-run', '--output', 'json'], PENDING);
    expect(json.exit).toBe(4);
    await expect(json.stdout).toMatchFileSnapshot('golden/resource-accept.json.golden');
  });

  it('changes nothing while something is pending, and names it with what to do: exit 4 (field P14)', async () => {
    for (const args of [[...ACCEPT, '--yes'], [...ACCEPT, '--dry-run'], ACCEPT]) {
      const { exit, stderr, calls } = await ask(args, PENDING);
      expect(exit).toBe(4);
      await expect(stderr).toMatchFileSnapshot('golden/resource-accept-pending.txt.golden');
      expect(calls.filter(({ request }) => request['dryRun'] === false)).toEqual([]);
    }
  });

  it('accepts the identity that was shown, once, with reason, operator and request id (field P14)', async () => {
    const { exit, stdout, calls } = await ask([...ACCEPT, '--yes'], CLEAR);
    expect(exit).toBe(0);
    expect(stdout).toBe(`Done:\n${EFFECTS.map((effect) => `  - ${effect}\n`).join('')}`);
    const [dry, real, ...more] = calls
      .filter(({ method }) => method === 'AcceptResource')
      .map(({ request }) => request);
    expect(more).toEqual([]);
    expect(dry).toMatchObject({ dryRun: true, resource: 'accounts', engineIdentity: '' });
    expect(real).toMatchObject({
      ...{ dryRun: false, resource: 'accounts', engineIdentity: SUCCESSOR, reason: 'upgraded to 18, INC-1234' },
      ...{ operator: expect.stringContaining('@'), requestId: dry?.['requestId'] },
    });
  });

  it.each([
    ['the name', 'accounts\n', 0],
    ['anything else', 'ccounts\n', 10],
  ])('at a terminal %s is typed', async (_, stdin, exit) => {
    await using coordinator = await openScriptedCoordinator({ handlers: healthyHandlers(CLEAR) });
    const ran = await runCliOnTerminal([...ACCEPT, '--coordinator', coordinator.address], { stdin });
    expect(ran.stdout).toContain('Type accounts to do it');
    expect(ran.exit).toBe(exit);
  });

  it('without a terminal and without --yes ends with 10, and a short reason with 2', async () => {
    expect((await ask(ACCEPT, CLEAR)).exit).toBe(10);
    expect((await ask(['resource', 'accept', 'accounts', '--reason', 'why not'], CLEAR)).exit).toBe(2);
  });

  it('tells of a coordinator that does not know the call, and of its refusals', async () => {
    expect((await ask([...ACCEPT, '--yes'])).exit).toBe(4);
    const refused = {
      AcceptResource: () => {
        throw new CoordinatorError('RESOURCE_IDENTITY', 'no participant of another database has asked for it');
      },
    };
    expect(await ask([...ACCEPT, '--yes'], refused)).toMatchObject({ exit: 5 });
  });
});

describe('a participant that is refused', () => {
  it.each([
    ['resource-list', ['resource', 'list'], 6],
    ['status', ['status'], 6],
    ['doctor', ['doctor'], 5],
  ])('is on the screen of %s, with the command that accepts it (field P14)', async (name, args, exit) => {
    const { stdout, stderr, ...ran } = await ask(args, CLEAR);
    expect(ran.exit).toBe(exit);
    expect(stdout + stderr).toContain('concordat resource accept accounts');
    const text = `${stdout}--- standard error\n${stderr}`.replace(`node: ${process.versions.node}`, 'node: <node>');
    await expect(text).toMatchFileSnapshot(`golden/${name}-refused.txt.golden`);
  });

  it('because it is at a copy is told as that (field P5)', async () => {
    const copy = {
      ...CLEAR,
      ListResources: () => ({ resources: [resource({ refused: { ...REFUSED, engineIdentity: FORMER } })] }),
    };
    const { stdout, exit } = await ask(['doctor'], copy);
    expect(exit).toBe(5);
    expect(stdout).toContain('at a copy of the database');
    expect(stdout).not.toContain('resource accept');
  });
});
