// What a stranger's statement may cost before PostgreSQL sees it: every text is walked once, whatever it repeats.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { translatePostgres } from '../../src/participants/postgres/lent/control.ts';
import { leadingWords } from '../../src/participants/postgres/sql/lexer.ts';
import { classifyStatement, readingOf } from '../../src/participants/postgres/sql/statement.ts';

const MIB = 1024 * 1024;
const HEADS = ['', 'select ', 'set ', 'rollback ', '/*', '--', '"', ';'];
const UNITS = [
  ...['/* ', '/*', '*/', '/* */', '/**//*', '/*;', ';/*', '--', '--\n', '-- \r', '\n', '\v', ' ', '\u00a0'],
  ...["'", "''", "\\'", '"', '""', '"a', 'a" ', 'A"', '"é', 'u&"', 'U&', "E'", '$$', '$a$', '$a$ $b$', '$', '$1'],
  ...[';', '; ', ';\n', ' ; ', ';\u2028', '\\', '\\\\', '(', ')', '()', '[', '\0', '\ud800', '😀'],
  ...['a', 'A', 'é', 'a ', 'aB ', '_', '0', '1a', '-', '/', '*', 'set ', 'SET LOCAL ', 'select ', 'rollback ', 'to '],
];

/** Milliseconds of the processor, since the machine may be busy with something else. */
function cost(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000;
}

function filled(head: string, unit: string, length: number): string {
  return (head + unit.repeat(Math.ceil(length / unit.length))).slice(0, length);
}

function read(sql: string): void {
  classifyStatement({ sql, parameters: [] });
  readingOf(sql);
}

describe('a statement of 1 MiB', () => {
  it('is read in less than 100 ms, whatever it repeats (security X15)', { timeout: 180_000 }, () => {
    const slow: string[] = [];
    for (const unit of UNITS) {
      for (const head of HEADS) {
        const text = filled(head, unit, MIB);
        const work = () => cost(() => classifyStatement({ sql: text, parameters: [] }));
        if (work() > 100 && Math.min(work(), work(), work()) > 100) {
          slow.push(`${head}${unit}`);
        }
      }
    }
    expect(slow).toEqual([]);
  });

  const mixtures = fc.sample(fc.array(fc.constantFrom(...UNITS), { minLength: 2, maxLength: 6 }), {
    seed: 15,
    numRuns: 60,
  });

  /** The mixtures that cost more than 64 times as much when they are 16 times as long: what grows with the square costs 256 times. */
  function superlinear(
    work: (sql: string) => void,
    { head, length, suspect }: { head: string; length: number; suspect: number },
  ): string[] {
    return mixtures
      .map((mixture) => mixture.join(''))
      .filter((unit) => {
        const [short, long] = [filled(head, unit, length / 16), filled(head, unit, length)];
        const ratio = () => {
          const least = (text: string) => Math.min(...[1, 2, 3].map(() => cost(() => work(text))));
          // Below a millisecond the clock is measured.
          return least(long) / Math.max(1, least(short));
        };
        return cost(() => work(long)) > suspect && ratio() > 64 && ratio() > 64;
      });
  }

  it('costs as much as it is long, in every mixture (security X15)', { timeout: 180_000 }, () => {
    for (const head of ['', 'select ']) {
      expect(superlinear(read, { head, length: MIB, suspect: 64 })).toEqual([]);
    }
  });

  it('of a lent connection costs as much as it is long, too (security X15)', { timeout: 180_000 }, () => {
    const translated = (sql: string) => {
      translatePostgres(sql, 'simple', 0);
    };
    for (const head of ['begin ', 'set a = ']) {
      expect(superlinear(translated, { head, length: MIB / 4, suspect: 64 })).toEqual([]);
      for (const unit of ['/* ', '/*', ';/*', '/*!50000 ', '$a$ $b$', "\\'"]) {
        expect(
          cost(() => translated(filled(head, unit, MIB / 4))),
          unit,
        ).toBeLessThan(1_000);
      }
    }
  });
});

it('a text of 20 MB is read as well, whatever comes before its first word', () => {
  for (const unit of ['--\n', '/**/', ';', ' ;-- x\n', '\n']) {
    expect(leadingWords(`${unit.repeat(Math.ceil((20 * MIB) / unit.length))}\nselect 1`, 1), unit).toEqual(['SELECT']);
  }
});

describe('names in a text', () => {
  it('are told with those between quotes, folded as the server folds them', () => {
    expect(readingOf('select Aé, "B c" from "d"').names).toEqual(
      ['select', 'aé', 'b', 'c', 'from', 'd', 'B c', ' from ', 'd'].filter(
        (name, index, all) => all.indexOf(name) === index,
      ),
    );
    expect(readingOf('select "a').names).toEqual(['select', 'a']);
  });

  it('are not told when there are more than anybody writes: such a text may do anything (security X15)', () => {
    expect(readingOf(`select ${'a, '.repeat(19_998)}a`).names).toEqual(['select', 'a']);
    expect(readingOf(`select ${'a, '.repeat(20_000)}a`).names).toBeUndefined();
    expect(readingOf(`select ${'"é" '.repeat(20_000)}`).names).toBeUndefined();
  });
});
