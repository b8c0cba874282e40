// How the limits relate to each other and to what the engines allow.
import { expect, test } from 'vitest';
import { OPENING_LENGTH } from '../../src/xa/evidence.ts';
import * as limits from '../../src/xa/limits.ts';
import {
  BQUAL_BYTES_MAX,
  EPOCH_MAX,
  FORMAT_ID,
  formatBqual,
  formatGtrid,
  GTRID_BYTES_MAX,
  parseBqual,
  parseGtrid,
  parseLogIdentity,
  parseResourceName,
  SEQUENCE_MAX,
} from '../../src/xa/xid.ts';

const identity = parseLogIdentity('abcdefghij');
const resource = parseResourceName('r'.padEnd(30, 'x'));

function longestGtrid(): string {
  if (identity === undefined) {
    throw new Error('the identity of the test is in the grammar');
  }
  return formatGtrid({ identity, epoch: EPOCH_MAX, sequence: SEQUENCE_MAX });
}

function longestBqual(): string {
  if (resource === undefined) {
    throw new Error('the resource of the test is in the grammar');
  }
  return formatBqual(resource, 9_999);
}

test('the longest ids stay inside their own bounds and parse again', () => {
  expect(longestGtrid().length).toBeLessThanOrEqual(GTRID_BYTES_MAX);
  expect(longestBqual().length).toBeLessThanOrEqual(BQUAL_BYTES_MAX);
  expect(parseGtrid(longestGtrid())).toBe(longestGtrid());
  expect(parseBqual(longestBqual())).toBe(longestBqual());
  expect(Number.isSafeInteger(SEQUENCE_MAX) && Number.isSafeInteger(EPOCH_MAX)).toBe(true);
});

test('every xid fits the engines: 64 bytes a part at MySQL and MariaDB, 199 bytes together at PostgreSQL', () => {
  expect(GTRID_BYTES_MAX).toBeLessThanOrEqual(64);
  expect(BQUAL_BYTES_MAX).toBeLessThanOrEqual(64);
  expect(`concordat:${longestGtrid()}:${longestBqual()}`.length).toBeLessThan(200);
  expect(FORMAT_ID).toBeGreaterThan(0);
  expect(FORMAT_ID).toBeLessThan(2 ** 31);
});

test('a frame of the largest commit requests fits in one message', () => {
  const branchBytes = BQUAL_BYTES_MAX + 64 + 10;
  const commitBytes = GTRID_BYTES_MAX + limits.REQUEST_ID_BYTES_MAX + limits.BRANCHES_MAX * branchBytes + 50;
  expect(limits.FRAME_MESSAGES_MAX * commitBytes).toBeLessThan(limits.COORDINATOR_MESSAGE_BYTES_MAX);
});

test('a full reconcile message fits, also in a frame of its own', () => {
  const branchBytes = GTRID_BYTES_MAX + BQUAL_BYTES_MAX + OPENING_LENGTH + 30;
  expect(limits.BRANCHES_PER_MESSAGE_MAX * branchBytes).toBeLessThan(limits.COORDINATOR_MESSAGE_BYTES_MAX);
});

test('what a client sends ahead has room in the queue of a sidecar', () => {
  expect(limits.STATEMENTS_AHEAD_MAX).toBeLessThan(limits.STATEMENTS_WAITING_MAX);
});

test('the largest answer of a statement fits in one message', () => {
  expect(limits.RESULT_BYTES_MAX).toBeLessThan(limits.RESOURCE_MESSAGE_BYTES_MAX);
});

test('a full hello fits in one message, and in the entries that are counted while it is read', () => {
  const branchBytes = GTRID_BYTES_MAX + BQUAL_BYTES_MAX + OPENING_LENGTH + 30;
  expect(limits.HELD_TOLD_MAX * branchBytes).toBeLessThan(limits.COORDINATOR_MESSAGE_BYTES_MAX);
  expect(limits.HELD_TOLD_MAX * 2).toBeLessThan(limits.LIST_ENTRIES_MAX);
});

test('what a Forget message names goes in one DELETE', () => {
  expect(limits.BRANCHES_PER_MESSAGE_MAX).toBeLessThanOrEqual(limits.ROWS_FORGOTTEN_MAX);
});
