// Which tests name which rows: read from the text of the tests, so that no test has to run for it.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { LISTS } from './rows.ts';

/** A title, or what is put into one, that names rows. */
export interface Named {
  /** Below `test/`, with slashes. */
  readonly file: string;
  /** As written, without the rows. */
  readonly title: string;
  /** Full names, like `faults F26`. */
  readonly rows: readonly string[];
}

const LIST = LISTS.join('|');
const ID = String.raw`(?:I-\d|[A-NPRX]\d{1,3})`;
/** `faults F26 B53`, `conformance D9`: one list, and one or more of its rows. */
const TAG = new RegExp(String.raw`\b(${LIST}) (${ID}(?:[ ,]+${ID})*)(?![\w-])`, 'g');
const ENCLOSED = new RegExp(String.raw` ?[([][^()[\]]*\b(?:${LIST}) ${ID}[^()[\]]*[)\]]`, 'g');
const LITERAL = /(['"`])((?:\\.|(?!\1).)*)\1/g;
/** Rows are named in two figures there; one figure alone is an invariant of the design. */
const WITHOUT_LIST = /(?:^|[ ([])(?:F\d{2,3}|B\d{2})(?=[ ,:)\]]|$)/;

/** It speaks of rows, and holds none. */
const OWN_TEST = 'reliability.test.ts';

/** Everything below `folder` that names rows, in the order of the file names. */
export function namedIn(folder: string): readonly Named[] {
  return filesOf(folder).flatMap((path) => {
    const file = relative(folder, path).split(sep).join('/');
    return titlesOf(path).flatMap(({ subject, text }) => {
      const rows = rowsIn(text);
      return rows.length === 0 ? [] : [{ file, title: readable(subject === '' ? text : `${subject} › ${text}`), rows }];
    });
  });
}

/** Titles that name a row without its list: nobody can tell which one is meant. */
export function namelessIn(folder: string): readonly string[] {
  return filesOf(folder).flatMap((path) =>
    titlesOf(path).flatMap(({ text }) => (WITHOUT_LIST.test(text.replace(TAG, '')) ? [text] : [])),
  );
}

/** The full names of the rows in a title. */
export function rowsIn(title: string): readonly string[] {
  return [...title.matchAll(TAG)].flatMap(([, list = '', ids = '']) => ids.split(/[ ,]+/).map((id) => `${list} ${id}`));
}

/** Without its rows, and with an ellipsis for what each run puts in. */
function readable(title: string): string {
  return title
    .replaceAll(ENCLOSED, '')
    .replaceAll(/\$\{[^}]*\}|%[sdij]\b|\$[a-z]\w*/g, '…')
    .replaceAll(/\\(['"`])/g, '$1')
    .trim();
}

function filesOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.endsWith(OWN_TEST) && !name.split(sep).includes('node_modules'))
    .filter((name) => name.endsWith('.ts') || /engine.scripts.[^/\\]+\.txt$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

interface Title {
  /** What the `describe` around it says; most titles go on with that sentence. */
  readonly subject: string;
  readonly text: string;
}

/** In a script every `#` line is a title; in a test what is quoted outside of comments may be one. */
function titlesOf(path: string): readonly Title[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  if (path.endsWith('.txt')) {
    return lines.flatMap((line) => (line.startsWith('# ') ? [{ subject: '', text: line.slice(2) }] : []));
  }
  const titles: Title[] = [];
  let around = { depth: 0, text: '' };
  for (const line of lines.filter((text) => !/^\s*(?:\/\/|\/?\*)/.test(text))) {
    const depth = line.search(/\S/);
    const quoted = [...line.matchAll(LITERAL)].map(([, , content = '']) => content);
    const isDescribe = /^\s*describe\b/.test(line);
    const subject = !isDescribe && depth > around.depth ? around.text : '';
    titles.push(...quoted.map((text) => ({ subject, text })));
    around = isDescribe ? { depth, text: quoted[0] ?? '' } : around;
  }
  return titles;
}
