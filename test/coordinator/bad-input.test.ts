// Bad requests, by the numbers of the product's list of bad inputs: each is refused with its reason, and leaves nothing behind.
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { refusal } from './unary.ts';

const INVALID = { status: 3, code: 'FIELD_INVALID' } as const;

/** What a refused request must not change: the log, the open transactions, what participants were told (I23). */
function footprint(system: System) {
  return { log: system.log.status().lastSequence, live: system.coordinator.driver.registry.liveCount };
}

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

describe('requests at the wrong time', () => {
  it('a second commit hears the same; a rollback after it hears the decision (faults B15 B16)', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.transaction(
      await system.participant('accounts'),
      await system.participant('orders'),
    );
    const first = await system.api.commit({ gtrid });
    expect(await system.api.commit({ gtrid })).toEqual(first);
    expect(await refusal(system.api.rollback({ gtrid }))).toMatchObject({
      status: 9,
      code: 'TXN_DECIDED',
      metadata: { gtrid, outcome: 'committed' },
    });
    expect(await refusal(system.api.setRollbackOnly({ gtrid }))).toMatchObject({ status: 9, code: 'TXN_DECIDED' });
    expect(system.records('decided')).toHaveLength(1);
  });

  it('a branch enlisted after the commit was asked for is refused (faults B17)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    await system.api.commit({ gtrid });
    const refused = await refusal(system.api.enlist({ gtrid, resource: 'orders', newBranch: true }));
    expect(refused).toMatchObject({ status: 9, code: 'TXN_STATE', metadata: { state: 'completed' } });
  });

  it('the same branch again is the same answer; at another resource it is refused (faults B18 B19)', async () => {
    await using system = await openSystem();
    await system.participant('accounts');
    await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    const first = await system.api.enlist({ gtrid, resource: 'orders', bqual: 'orders.1' });
    const again = await system.api.enlist({ gtrid, resource: 'orders', bqual: 'orders.1' });
    expect({ ...again, timeoutMs: 0 }).toEqual({ ...first, timeoutMs: 0 });
    expect(await refusal(system.api.enlist({ gtrid, resource: 'accounts', bqual: 'orders.1' }))).toMatchObject({
      status: 6,
      code: 'BRANCH_EXISTS',
    });
    expect((await system.info(gtrid)).branches).toHaveLength(1);
  });

  it('the sixty-fifth branch is one too many, and ten thousand are (faults B20)', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    const enlist = () => system.api.enlist({ gtrid, resource: 'orders', newBranch: true });
    for (let n = 1; n <= 64; n += 1) {
      expect((await enlist()).bqual).toBe(`orders.${n}`);
    }
    expect(await refusal(enlist())).toMatchObject({ status: 8, code: 'LIMIT_BRANCHES' });
    const branches = Array.from({ length: 10_000 }, (_, n) => ({ bqual: `orders.${(n % 9_999) + 1}` }));
    expect(await refusal(system.api.commit({ gtrid, branches }))).toMatchObject({ status: 8, code: 'LIMIT_BRANCHES' });
    expect(await system.info(gtrid)).toMatchObject({ state: 'TRANSACTION_STATE_ACTIVE' });
    expect((await system.info(gtrid)).branches).toHaveLength(64);
  });

  it('a commit without any branch is committed, and writes nothing (faults B21)', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    const before = system.log.status().lastSequence;
    expect(await system.api.commit({ gtrid })).toMatchObject({ outcome: 'OUTCOME_COMMITTED', branches: [] });
    expect(system.log.status().lastSequence).toBe(before);
  });

  it('a resource that nobody registered is refused with the list of those that are known (faults B22)', async () => {
    await using system = await openSystem();
    await system.participant('accounts');
    await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    const refused = await refusal(system.api.enlist({ gtrid, resource: 'order' }));
    expect(refused).toMatchObject({ status: 9, code: 'RESOURCE_UNKNOWN', metadata: { known: 'accounts,orders' } });
    expect((await system.info(gtrid)).branches).toEqual([]);
  });

  it('a commit that names a branch of such a resource is refused, and changes nothing (faults B22)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const { gtrid } = await system.transaction(accounts);
    const one = { gtrid, branches: [{ bqual: 'acounts' }] };
    expect(await refusal(system.api.commit(one))).toMatchObject({
      ...{ status: 9, code: 'RESOURCE_UNKNOWN', metadata: { known: 'accounts' } },
    });
    expect(await system.info(gtrid)).toMatchObject({ state: 'TRANSACTION_STATE_ACTIVE' });
    expect((await system.info(gtrid)).branches).toHaveLength(1);
    expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('an enum number that this version does not know is invalid, not the default (faults B27)', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    const strange = 999 as never;
    expect(await refusal(system.api.commit({ gtrid, acknowledgement: strange }))).toMatchObject(INVALID);
    expect(await refusal(system.api.list({ states: [strange] }))).toMatchObject(INVALID);
    const request = { gtrid, reason: 'because of the test', operator: 'me' };
    expect(await refusal(system.api.resolve({ ...request, resolution: strange }))).toMatchObject(INVALID);
    expect(await refusal(system.api.resolve(request))).toMatchObject(INVALID);
    expect((await system.info(gtrid)).state).toBe('TRANSACTION_STATE_ACTIVE');
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

describe('texts and metadata', () => {
  it('reasons are printable and bounded (faults B83 B09)', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    for (const reason of ['x'.repeat(201), 'x'.repeat(1_000_000), 'a\u0007b', 'a\u001b[2Jb', 'a\u2028b', 'a\u202eb']) {
      expect(await refusal(system.api.rollback({ gtrid, reason }))).toMatchObject(INVALID);
      expect(await refusal(system.api.setRollbackOnly({ gtrid, reason }))).toMatchObject(INVALID);
    }
    const act = { gtrid, resolution: 'RESOLUTION_ROLLBACK', operator: 'me' } as const;
    for (const reason of ['', 'too short', 'x'.repeat(1_001), 'ten or more\nletters']) {
      expect(await refusal(system.api.resolve({ ...act, reason }))).toMatchObject({
        ...INVALID,
        metadata: { field: 'reason' },
      });
    }
    const reason = 'a good reason';
    for (const operator of ['', 'x'.repeat(201), 'me\u0000']) {
      expect(await refusal(system.api.resolve({ ...act, operator, reason }))).toMatchObject({
        ...INVALID,
        metadata: { field: 'operator' },
      });
    }
    expect((await system.info(gtrid)).state).toBe('TRANSACTION_STATE_ACTIVE');
    expect(system.records('operator-action')).toEqual([]);
  });

  it('metadata of 60 KB, or of two hundred pairs, is refused (faults B39)', async () => {
    await using system = await openSystem();
    const large = new Metadata();
    large.set('x-large', 'x'.repeat(60 * 1024));
    const many = new Metadata();
    for (let n = 0; n < 100; n += 1) {
      many.set(`x-key-${n}`, '1');
    }
    for (const metadata of [large, many]) {
      const refused = await refusal(system.api.begin({}, { metadata }));
      expect(refused).toMatchObject({ status: 8, code: 'LIMIT_METADATA' });
    }
    expect(footprint(system).live).toBe(0);
  });

  it('a malformed traceparent is ignored (faults B42)', async () => {
    await using system = await openSystem();
    const metadata = new Metadata();
    metadata.set('traceparent', '00-zz-zz-999');
    expect((await system.api.begin({}, { metadata })).gtrid).toMatch(/\.0$/);
  });

  it('a message beyond the limit is refused, and one below it is not (faults B32)', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    const limit = 2 * 1024 * 1024;
    const reason = (bytes: number) => refusal(system.api.rollback({ gtrid, reason: 'x'.repeat(bytes) }));
    expect(await reason(limit - 200)).toMatchObject(INVALID);
    expect((await reason(limit + 1)).status).toBe(8);
    await eventually(
      'the coordinator goes on',
      async () => (await system.info(gtrid)).state === 'TRANSACTION_STATE_ACTIVE',
    );
  });
});

describe('lists', () => {
  it('a page token that is garbage, or of another query, is refused (faults B73)', async () => {
    await using system = await openSystem();
    for (let n = 0; n < 3; n += 1) {
      await system.api.begin({});
    }
    const { nextPageToken: pageToken } = await system.api.list({ pageSize: 1 });
    expect(pageToken).not.toBe('');
    const field = { ...INVALID, metadata: { field: 'page_token' } };
    for (const garbage of ['x', '{}', 'e30', Buffer.from('null').toString('base64url'), 'x'.repeat(100_000)]) {
      expect(await refusal(system.api.list({ pageToken: garbage }))).toMatchObject(field);
    }
    expect(await refusal(system.api.list({ pageToken, minAgeMs: 1 }))).toMatchObject(field);
    expect(await refusal(system.api.list({ pageToken, resource: 'orders' }))).toMatchObject(field);
    expect(await refusal(system.api.list({ resource: 'ORDERS' }))).toMatchObject(INVALID);
  });

  it('a page size of 0 is the default, below 0 invalid, and a billion is cut to a thousand (faults B74)', async () => {
    await using system = await openSystem();
    for (let n = 0; n < 1_001; n += 1) {
      await system.api.begin({});
    }
    expect((await system.api.list({})).transactions).toHaveLength(100);
    expect((await system.api.list({ pageSize: 1_000_000_000 })).transactions).toHaveLength(1_000);
    expect(await refusal(system.api.list({ pageSize: -1 }))).toMatchObject({
      ...INVALID,
      metadata: { field: 'page_size' },
    });
  });
});
