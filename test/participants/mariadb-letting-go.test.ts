// MariaDB frees a prepared branch for other sessions a moment before InnoDB lets go of it: what is committed in that moment must not be lost.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endText, markerText, prepareText, startTexts } from '../../src/participants/mysql/sql/texts.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { type EvidenceRow, rowEvidence } from '../../src/xa/evidence.ts';
import { useEngine } from '../support/engines.ts';
import { type MysqlHarness, openHand, openMysqlHarness } from './mysql-harness.ts';
import { freshRow, steps } from './resource-manager-contract.ts';

const { OPTIONS, givenRow, isListed } = steps;
const WORKERS = 32;
const ROUNDS = 40;

const engine = useEngine('mariadb');

describe('a branch whose session is just ending', () => {
  let harness: MysqlHarness;
  let manager: ResourceManager;
  beforeAll(async () => {
    harness = await openMysqlHarness(engine.server);
    manager = await harness.open();
  });
  afterAll(async () => {
    await manager?.[Symbol.asyncDispose]();
  });

  /** A branch that takes 10 from the row, prepared in a session that is gone when this resolves, or soon. */
  const left = async (key: string, row: EvidenceRow, marker: string) => {
    await using owner = await openHand(engine.server);
    const work = `update account set value = value - 10 where id = '${key}'`;
    await owner.raw([...startTexts(row, OPTIONS), work, marker, endText(row), prepareText(row)].join(';'));
  };

  it(`is committed where that was answered, ${WORKERS * ROUNDS} times`, { timeout: 120_000 }, async () => {
    let lost = 0;
    const worker = async () => {
      const key = await givenRow(harness, manager);
      for (let round = 1; round <= ROUNDS; round += 1) {
        const row = freshRow();
        await left(key, row, markerText('concordat', row));
        expect(await manager.commit(row, rowEvidence(row.opening))).toEqual({ kind: 'done' });
        if ((await harness.committed(key)) !== BigInt(100 - 10 * round)) {
          lost += 1;
          return; // The row stays locked until the server is restarted.
        }
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, worker));
    expect(lost).toBe(0);
  });

  it.each(['commit', 'rollback'] as const)(
    'is not taken for over as long as its evidence row is locked although its %s was answered, and the reason says what to do',
    async (verb) => {
      const [key, row] = [await givenRow(harness, manager), freshRow()];
      await using hidden = await openHand(engine.server);
      const evidence = [row.gtrid, row.bqual, row.opening].map((part) => `'${part}'`).join(', ');
      await hidden.raw(`start transaction; insert into concordat_branch (gtrid, bqual, opening) values (${evidence})`);
      await left(key, row, 'do 0');
      const result = await manager[verb](row, rowEvidence(row.opening));
      expect(result).toMatchObject({
        kind: 'not-yet',
        reason: { code: 'ENGINE_UNAVAILABLE', message: expect.stringContaining('restart the server') },
      });
      expect(await isListed(manager, row)).toBe(false);
    },
  );
});
