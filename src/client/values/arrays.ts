// Arrays as parameters at PostgreSQL: where a statement takes one, it is written as an array; everywhere else as a JSON document.

/** A text, an identifier in quotes, a comment, a placeholder, a cast, a word or a number, or another mark. */
const TOKEN =
  /'(?:[^']|'')*'?|"(?:[^"]|"")*"?|\$(?:[A-Za-z_]\w*)?\$|\/\*(?:[^*]|\*(?!\/))*(?:\*\/)?|--[^\n]*|\$\d+|::|\w+|\S/gs;
const COMMENT = /^(?:\/\*|--)/;
const PLACEHOLDER = /^\$\d+$/;
const DOLLAR_QUOTE = /^\$\w*\$$/;
/** What takes arrays in parentheses, each of its arguments or its only one. */
const TAKES_ARRAYS = new Set(['any', 'all', 'some', 'unnest']);
/** A type has so many words and marks before its brackets, for instance `pg_catalog.timestamp(3) with time zone[]`. */
const TYPE_TOKENS_MAX = 10;
/** What may follow the name of a type, besides its length in parentheses. */
const OF_TYPE = /^(?:varying|precision|with|without|time|zone|[.(),\d]+)$/i;

/**
 * The positions, from 1, of the placeholders that stand for arrays: cast to an array type, or alone in ANY, ALL, SOME or UNNEST. Whether an
 * uncast one of an INSERT goes into an array or into a JSON column, only the database knows.
 */
export function arrayPositions(sql: string): ReadonlySet<number> {
  const tokens = tokensOf(sql);
  const positions = new Set<number>();
  /** Of each open parenthesis, the word before it. */
  const open: string[] = [];
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1]?.toLowerCase() ?? '';
    if (token === '(') {
      open.push(before);
    } else if (token === ')') {
      open.pop();
    } else if (PLACEHOLDER.test(token) && isArray(tokens, index, before, open.at(-1) ?? '')) {
      positions.add(Number(token.slice(1)));
    }
  }
  return positions;
}

function isArray(tokens: readonly string[], index: number, before: string, opener: string): boolean {
  const next = tokens[index + 1]?.toLowerCase();
  if (next === '::' || (next === 'as' && before === '(' && opener === 'cast')) {
    return isArrayType(tokens, index + 2);
  }
  return TAKES_ARRAYS.has(opener) && (before === '(' || before === ',') && (next === ')' || next === ',');
}

function isArrayType(tokens: readonly string[], start: number): boolean {
  let depth = 0;
  for (let index = start; index < start + TYPE_TOKENS_MAX; index++) {
    const token = tokens[index];
    if (token === '[' || (index > start && token?.toLowerCase() === 'array')) {
      return true;
    }
    depth += token === '(' ? 1 : token === ')' ? -1 : 0;
    // A comma or a parenthesis that is not of the type's own ends it.
    const isName = index === start || tokens[index - 1] === '.';
    if (token === undefined || !(isName || OF_TYPE.test(token)) || depth < 0 || (token === ',' && depth === 0)) {
      return false;
    }
  }
  return false;
}

/** Without comments and what stands in dollar quotes. */
function tokensOf(sql: string): readonly string[] {
  const tokens: string[] = [];
  let quote: string | undefined;
  for (const [token] of sql.matchAll(TOKEN)) {
    if (quote !== undefined) {
      quote = token === quote ? undefined : quote;
    } else if (DOLLAR_QUOTE.test(token)) {
      quote = token;
    } else if (!COMMENT.test(token)) {
      tokens.push(token);
    }
  }
  return tokens;
}

/**
 * In PostgreSQL's own text form, each element as `element` writes it.
 * @param element undefined: NULL.
 */
export function arrayText(values: readonly unknown[], element: (value: unknown) => string | undefined): string {
  const texts = Array.from(values, (value) => {
    if (Array.isArray(value)) {
      return arrayText(value, element);
    }
    const text = element(value);
    return text === undefined ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${texts.join(',')}}`;
}
