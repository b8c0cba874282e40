// `concordat resource forget`: what it shows before it acts is kept whole in golden files.
import { expect, it } from 'vitest';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { ask } from './ask.ts';
import type { Handler } from './scripted-coordinator.ts';

const IDENTITY = 'postgresql:7433000000000000001:16384';
const EFFECTS = [
  `acounts is no resource any more, and ${IDENTITY} has no name; the log keeps who did it and why`,
  'the first participant that attaches gets the name',
];
const FORGET = ['resource', 'forget', 'acounts', '--reason', 'misspelled, INC-1234'];
const ForgetResource: Handler = () => ({ engineIdentity: IDENTITY, effects: EFFECTS });

it('shows what it would do', async () => {
  const dry = await ask([...FORGET, '--dry-run'], { ForgetResource });
  expect(dry).toMatchObject({ exit: 0, stderr: '' });
  await expect(dry.stdout).toMatchFileSnapshot('golden/resource-forget.txt.golden');
  const json = await ask([...FORGET, '--dry-run', '--output', 'json'], { ForgetResource });
  expect(json).toMatchObject({ exit: 0, stderr: '' });
  await expect(json.stdout).toMatchFileSnapshot('golden/resource-forget.json.golden');
});

it('acts once, with reason, operator and the request id of its dry run', async () => {
  const { exit, stdout, calls } = await ask([...FORGET, '--yes'], { ForgetResource });
  expect({ exit, stdout }).toEqual({ exit: 0, stdout: `Done:\n${EFFECTS.map((each) => `  - ${each}\n`).join('')}` });
  const [dry, real, ...more] = calls.filter(({ method }) => method === 'ForgetResource').map(({ request }) => request);
  expect(more).toEqual([]);
  expect(real).toMatchObject({
    ...{ dryRun: false, resource: 'acounts', reason: 'misspelled, INC-1234' },
    ...{ operator: expect.stringContaining('@'), requestId: dry?.['requestId'] },
  });
});

it('without a terminal and without --yes ends with 10, and while something is pending with 4', async () => {
  expect(await ask(FORGET, { ForgetResource })).toMatchObject({ exit: 10 });
  const pending: Handler = () => {
    throw new CoordinatorError('RESOURCE_PENDING', '1 branches are pending at the former database of acounts');
  };
  const refused = await ask([...FORGET, '--yes'], { ForgetResource: pending });
  expect(refused.exit).toBe(4);
  expect(refused.stderr).toMatch(/^Error RESOURCE_PENDING: 1 branches are pending/);
});
