// Bad ids, by the numbers of the product's list of bad inputs: each is refused with its reason, and leaves nothing behind.
import { describe, expect, it } from 'vitest';
import { openSystem } from './fixture.ts';
import { footprint, INVALID } from './refused.ts';
import { refusal } from './unary.ts';

describe('ids', () => {
  const malformed: Readonly<Record<string, string>> = {
    'with a newline (faults B04)': 'abcdefghij.1.0\n',
    'with an ANSI escape (faults B04)': 'abcdefghij.1.0\u001b[31m',
    'with a path in it (faults B05)': '../../etc/passwd',
    'with a Cyrillic look-alike (faults B08)': 'аbcdefghij.1.0',
    'with a right-to-left mark (faults B08)': 'abcdefghij.1.0\u200f',
    'with a combining character (faults B08)': 'abcdefghij.1.0\u0301',
    'in capitals (faults B10)': 'ABCDEFGHIJ.1.0',
    'of 0 bytes (faults B23)': '',
    'of 1 byte (faults B23)': 'a',
    'of 64 bytes (faults B23)': `abcdefghij.1.${'z'.repeat(51)}`,
    'of 150 bytes (faults B23)': `abcdefghij.1.${'z'.repeat(137)}`,
    'of 201 bytes (faults B23)': `abcdefghij.1.${'z'.repeat(188)}`,
    'with a gtrid of 65 bytes (faults B24)': `abcdefghij.1.${'1'.repeat(52)}`,
  };
  for (const [name, gtrid] of Object.entries(malformed)) {
    it(`what is no id is refused: ${name}`, async () => {
      await using system = await openSystem();
      const before = footprint(system);
      const refusals = await Promise.all(
        [
          system.api.commit({ gtrid }),
          system.api.rollback({ gtrid }),
          system.api.enlist({ gtrid, resource: 'orders' }),
          system.api.setRollbackOnly({ gtrid }),
          system.api.getTransaction({ gtrid }),
          system.api.show({ gtrid }),
          system.api.retry({ gtrid }),
        ].map(refusal),
      );
      for (const refused of refusals) {
        expect(refused).toMatchObject({ ...INVALID, metadata: { field: 'gtrid' } });
      }
      expect(footprint(system)).toEqual(before);
    });
  }

  it('a branch qualifier of 65 bytes, or out of its grammar, is no branch (faults B24, conformance A13)', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    for (const bqual of [
      `orders.${'1'.repeat(58)}`,
      'orders.0',
      'orders.10000',
      'orders.',
      'Orders',
      '.1',
      'orders.1.1',
    ]) {
      expect(await refusal(system.api.enlist({ gtrid, resource: 'orders', bqual }))).toMatchObject(INVALID);
      expect(await refusal(system.api.commit({ gtrid, branches: [{ bqual }] }))).toMatchObject(INVALID);
    }
    expect((await system.info(gtrid)).branches).toEqual([]);
  });

  it('an id that was never begun, of this log or of another, is not found (faults B11 B13 B14)', async () => {
    await using system = await openSystem();
    const { identity, epoch } = system.log.recovered;
    const other = identity.startsWith('a') ? `b${identity.slice(1)}` : `a${identity.slice(1)}`;
    for (const gtrid of [`${identity}.${epoch}.zzz`, `${identity}.${epoch + 1}.0`, `${other}.1.0`]) {
      const branches = [{ bqual: 'orders' }, { bqual: 'accounts' }];
      const refusals = await Promise.all(
        [
          system.api.commit({ gtrid, branches }),
          system.api.rollback({ gtrid }),
          system.api.enlist({ gtrid, resource: 'orders' }),
          system.api.setRollbackOnly({ gtrid }),
          system.api.getTransaction({ gtrid, branches }),
          system.api.show({ gtrid }),
          system.api.resolve({ gtrid, resolution: 'RESOLUTION_ROLLBACK', reason: 'no reason at all', operator: 'me' }),
          system.api.forget({ gtrid, reason: 'no reason at all', operator: 'me' }),
        ].map(refusal),
      );
      for (const refused of refusals) {
        expect(refused).toMatchObject({ status: 5, code: 'TXN_NOT_FOUND' });
      }
    }
    expect(footprint(system)).toEqual({ log: 1, live: 0 });
  });

  it('a time limit of 0 is the default, of a day the longest, and beyond that it is refused (faults B25, conformance I-6)', async () => {
    await using system = await openSystem({ defaultTimeoutMs: 777 });
    expect((await system.api.begin({ timeoutMs: 0 })).timeoutMs).toBe(777);
    expect((await system.api.begin({ timeoutMs: 86_400_000 })).timeoutMs).toBe(86_400_000);
    const before = footprint(system);
    for (const timeoutMs of [86_400_001, 2 ** 31, 2 ** 32 - 1, -1, 365 * 86_400_000]) {
      expect(await refusal(system.api.begin({ timeoutMs }))).toMatchObject({
        ...INVALID,
        metadata: { field: 'timeout_ms' },
      });
    }
    expect(footprint(system)).toEqual(before);
  });

  it('a unary Begin that brings its own id is refused', async () => {
    await using system = await openSystem();
    const { identity, epoch } = system.log.recovered;
    expect(await refusal(system.api.begin({ gtrid: `${identity}.${epoch}.5` }))).toMatchObject(INVALID);
    expect(footprint(system).live).toBe(0);
  });
});

describe('request ids', () => {
  it('a repeated one gives the same answer and does nothing more (faults B40)', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const begun = await system.api.begin({ requestId: 'a', timeoutMs: 5_000 });
    expect(await system.api.begin({ requestId: 'a', timeoutMs: 5_000 })).toEqual(begun);
    const { gtrid } = begun;
    const enlisted = await system.api.enlist({ requestId: 'b', gtrid, resource: 'orders', newBranch: true });
    expect(await system.api.enlist({ requestId: 'b', gtrid, resource: 'orders', newBranch: true })).toEqual(enlisted);
    const committed = await system.api.commit({ requestId: 'c', gtrid });
    expect(await system.api.commit({ requestId: 'c', gtrid })).toEqual(committed);
    expect(footprint(system).live).toBe(0);
  });

  it('one that was used for another request is refused; 10 KB or a control character are malformed (faults B40)', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({ requestId: 'a' });
    const before = footprint(system);
    const reused = { status: 6, code: 'REQUEST_ID_REUSED' };
    expect(await refusal(system.api.begin({ requestId: 'a', timeoutMs: 1 }))).toMatchObject(reused);
    expect(await refusal(system.api.commit({ requestId: 'a', gtrid }))).toMatchObject(reused);
    expect(await refusal(system.api.rollback({ requestId: 'a', gtrid }))).toMatchObject(reused);
    for (const requestId of ['x'.repeat(65), 'x'.repeat(10_000), 'a\nb', 'ä']) {
      expect(await refusal(system.api.begin({ requestId }))).toMatchObject(INVALID);
    }
    expect(footprint(system)).toEqual(before);
  });

  it('a refused request is not remembered: the same one may succeed later', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    const request = { requestId: 'a', gtrid, resource: 'orders' };
    expect((await refusal(system.api.enlist(request))).code).toBe('RESOURCE_UNKNOWN');
    await system.participant('orders');
    expect((await system.api.enlist(request)).bqual).toBe('orders');
  });
});
