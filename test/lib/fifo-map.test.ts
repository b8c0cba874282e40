// The map that keeps the newest entries, against a plain list that does the same slowly.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FifoMap } from '../../src/lib/fifo-map.ts';

test('holds the newest entries whatever was set and deleted, as a list would', () => {
  const operation = fc.record({ isDelete: fc.boolean(), key: fc.integer({ min: 0, max: 9 }), value: fc.nat() });

  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(operation, { minLength: 20, maxLength: 200 }),
      (max, operations) => {
        const map = new FifoMap<number, number>(max);
        let list: { key: number; value: number }[] = [];
        for (const { isDelete, key, value } of operations) {
          const known = list.find((entry) => entry.key === key);
          if (isDelete) {
            map.delete(key);
            list = list.filter((entry) => entry !== known);
          } else if (known !== undefined) {
            expect(map.set(key, value)).toBeUndefined();
            known.value = value;
          } else {
            const evicted = list.length === max ? list.shift() : undefined;
            expect(map.set(key, value)).toBe(evicted?.value);
            list.push({ key, value });
          }
          expect(map.size).toBe(list.length);
          expect([...map.values()]).toEqual(list.map((entry) => entry.value));
          expect(map.get(key)).toBe(list.find((entry) => entry.key === key)?.value);
        }
      },
    ),
  );
});
