// Bad texts, metadata and lists, by the numbers of the product's list of bad inputs: each is refused with its reason, and leaves nothing behind.
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { footprint, INVALID } from './refused.ts';
import { refusal } from './unary.ts';

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
