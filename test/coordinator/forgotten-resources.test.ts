// A name, or an engine's identity, that was registered by mistake or by a stranger: an operator lets it go.
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { silent } from './scripted-participant.ts';
import { refusal } from './unary.ts';

const ACT = { requestId: 'one', operator: 'alice@ops', reason: 'registered by a stranger', dryRun: false };

it('a squatted name and engine are let go, durably and on record, and the right database takes the name (security X9)', async () => {
  await using system = await openSystem();
  const session = await system.session();
  const squatter = await system.participant('orders', { hello: { engineIdentity: 'engine-of-a-stranger' } });
  const right = system.dial('orders');
  expect((await right.hears('refused')).reason).toBe('RESOURCE_IDENTITY');
  const shown = await system.api.forgetResource({ ...ACT, resource: 'orders', dryRun: true });
  expect(shown.engineIdentity).toBe('engine-of-a-stranger');
  expect(shown.effects.join(' ')).toContain('1 participants are disconnected');
  expect((await system.api.resources({})).resources).toHaveLength(1);
  await system.api.forgetResource({ ...ACT, resource: 'orders' });
  expect((await squatter.hears('refused')).message).toContain('has let the name orders go');
  expect((await system.api.resources({})).resources).toEqual([]);
  await eventually('clients hear it', () => session.heard('resources').at(-1)?.gone.includes('orders'));
  expect(system.records('resource-registered').at(-1)).toMatchObject({
    resource: 'orders',
    engineIdentity: '',
    accepted: { former: 'engine-of-a-stranger', operator: 'alice@ops', reason: 'registered by a stranger' },
  });
  expect(system.events.named('resource-forgotten')).toHaveLength(1);
  await system.restart();
  expect((await system.api.resources({})).resources).toEqual([]);
  await system.participant('orders');
  await system.participant('invoices', { hello: { engineIdentity: 'engine-of-a-stranger' } });
  await system.restart();
  await system.participant('orders');
});

it('a resource with something pending is not let go, nor one that nobody knows, nor without a reason (security X9)', async () => {
  await using system = await openSystem();
  const orders = await system.participant('orders', { finish: silent });
  const accounts = await system.participant('accounts');
  const { gtrid } = await system.transaction(orders, accounts);
  await system.api.commit({ gtrid, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
  expect((await refusal(system.api.forgetResource({ ...ACT, resource: 'orders' }))).code).toBe('RESOURCE_PENDING');
  expect((await refusal(system.api.forgetResource({ ...ACT, resource: 'none' }))).code).toBe('RESOURCE_UNKNOWN');
  const short = system.api.forgetResource({ ...ACT, resource: 'accounts', reason: 'why' });
  expect((await refusal(short)).code).toBe('FIELD_INVALID');
  await system.participant('orders');
});
