// What an application's own BEGIN, COMMIT and ROLLBACK become inside a branch: savepoints, one in another. Pure.

/** What a statement does to the transaction that it is in. */
export type OwnControl =
  | { readonly kind: 'none' }
  /** `modes`: what stands behind BEGIN, for instance an isolation level. */
  | { readonly kind: 'begin'; readonly modes: string }
  | { readonly kind: 'commit' }
  | { readonly kind: 'rollback' }
  /** It can be turned into nothing that a branch allows. */
  | { readonly kind: 'refused'; readonly why: string };

interface ControlledStatement {
  readonly start: number;
  readonly end: number;
  readonly control: OwnControl;
}

/** How deep in transactions of its own the application is after a statement succeeded, seen from before it. */
export type DepthStep = -1 | 0 | 1;

export type Translation =
  /** Nothing in it is about a transaction: send it as it is. */
  | { readonly kind: 'same' }
  /** `steps`: one for each statement of `sql`. */
  | { readonly kind: 'replaced'; readonly sql: string; readonly steps: readonly DepthStep[] }
  /** `dooms`: what the application asks for cannot be had, and to go on without it would be wrong. */
  | { readonly kind: 'refused'; readonly why: string; readonly dooms: boolean };

export const SAME: Translation = { kind: 'same' };

const NEXT = 'Next: end the global transaction with commit() or rollback() of the client';

/** @param modesText what follows the savepoint where BEGIN had modes; undefined: nothing does. */
export function translate(
  sql: string,
  statements: readonly ControlledStatement[],
  depth: number,
  modesText: (modes: string) => string | undefined,
): Translation {
  if (statements.every(({ control }) => control.kind === 'none')) {
    return SAME;
  }
  const texts: string[] = [];
  const steps: DepthStep[] = [];
  let level = depth;
  let at = 0;
  const replace = ({ start, end }: ControlledStatement, text: string): void => {
    texts.push(sql.slice(at, start), text);
    at = end;
  };
  for (const statement of statements) {
    const { control } = statement;
    switch (control.kind) {
      case 'none':
        steps.push(0);
        break;
      case 'begin': {
        level += 1;
        const modes = control.modes === '' ? undefined : modesText(control.modes);
        replace(statement, `savepoint ${savepoint(level)}${modes === undefined ? '' : `;${modes}`}`);
        steps.push(1);
        if (modes !== undefined) {
          steps.push(0);
        }
        break;
      }
      case 'commit':
      case 'rollback':
        if (level === 0) {
          return endsBranch(control.kind);
        }
        // Without RELEASE behind it: one statement for one statement, in every form in which statements can be sent. The next
        // savepoint of the same name stands in front of this one.
        replace(statement, `${control.kind === 'commit' ? 'release' : 'rollback to'} savepoint ${savepoint(level)}`);
        steps.push(-1);
        level -= 1;
        break;
      case 'refused':
        return { kind: 'refused', why: control.why, dooms: false };
    }
  }
  texts.push(sql.slice(at));
  return { kind: 'replaced', sql: texts.join(''), steps };
}

function savepoint(level: number): string {
  return `concordat_${level}`;
}

/** A ROLLBACK that is not obeyed must not be followed by a commit of what it was meant for. */
function endsBranch(kind: 'commit' | 'rollback'): Translation {
  const word = kind.toUpperCase();
  const why = `${word} without a BEGIN of its own would end the connection’s part of a global transaction. ${NEXT}.`;
  return { kind: 'refused', why, dooms: kind === 'rollback' };
}

/** Why a text is refused whose meaning depends on settings of the session that are not known here. */
export const AMBIGUOUS: Translation = {
  kind: 'refused',
  why: 'it can be read in two ways, and one of them ends the transaction. Next: send its strings as parameters, and one statement at a time.',
  dooms: false,
};

/** Two readings of one text that come to the same. */
export function agree(one: Translation, other: Translation): Translation {
  return JSON.stringify(one) === JSON.stringify(other) ? one : AMBIGUOUS;
}
