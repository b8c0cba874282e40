// Placeholders that stand in a list of IN: there, MySQL and MariaDB would compare with the text of an array, and find nothing.

/** What is no placeholder whatever it holds, an opening or closing parenthesis, a placeholder, a word, or another mark. */
const TOKEN =
  /'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.|"")*"?|`[^`]*`?|\/\*(?:[^*]|\*(?!\/))*(?:\*\/)?|--(?=\s|$)[^\n]*|#[^\n]*|[A-Za-z_$][\w$]*|[()?,]|\S/gs;
const COMMENT = /^(?:\/\*|--|#)/;

/** The positions, from 1, of the `?` that are members of an IN list. */
export function inListPositions(sql: string): ReadonlySet<number> {
  const positions = new Set<number>();
  /** Of each open parenthesis, whether it is that of an IN. */
  const open: boolean[] = [];
  let before = '';
  let position = 0;
  for (const [token] of sql.matchAll(TOKEN)) {
    if (COMMENT.test(token)) {
      continue;
    }
    if (token === '(') {
      open.push(before.toLowerCase() === 'in');
    } else if (token === ')') {
      open.pop();
    } else if (token === '?') {
      position += 1;
      if (open.at(-1) === true && (before === '(' || before === ',')) {
        positions.add(position);
      }
    }
    before = token;
  }
  return positions;
}
