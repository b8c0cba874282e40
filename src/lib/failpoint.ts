// Named places where a test or the demonstration may kill or hold a process. Without a specification they do nothing.

/** Every place, once. docs/operations.md does not know them: they are for tests, and a program that has some set says so. */
export const FAILPOINTS = {
  'before-decision': 'coordinator: every vote is in, the commit record is not with the log yet',
  'decision-durable': 'coordinator: the commit record is on disk, no branch has been told',
  'first-commit-acknowledged': 'coordinator: one branch has answered that it is committed',
  'before-finished': 'coordinator: every branch is proven, the finished record is not written',
  'before-prepare': 'participant: told to prepare, the engine has not been asked',
  'after-prepare': 'participant: the engine has prepared, the vote is not sent',
  'before-commit': 'participant: told to commit, the engine has not been asked',
  'after-commit': 'participant: the engine has committed, the answer is not sent',
} as const;

export type Failpoint = keyof typeof FAILPOINTS;

interface Action {
  readonly kind: 'crash' | 'stop';
  /** Which passage acts, from 1; each earlier and later one goes on. */
  readonly passage: number;
}

const actions = new Map<string, Action>();
const passages = new Map<string, number>();

/**
 * Sets the failpoints of this process: `name=crash@2,other=stop`. `crash` kills the process with SIGKILL, `stop` freezes it with
 * SIGSTOP until somebody sends SIGCONT; `@n` acts on the n-th passage, the first by default.
 * @throws {Error} with the known names, when the specification is malformed.
 */
function setFailpoints(specification: string): void {
  actions.clear();
  passages.clear();
  for (const part of specification.split(',').filter((text) => text !== '')) {
    const match = /^([a-z-]+)=(crash|stop)(?:@([1-9][0-9]{0,6}))?$/.exec(part);
    const [, name = '', kind, passage = '1'] = match ?? [];
    if (!Object.hasOwn(FAILPOINTS, name) || (kind !== 'crash' && kind !== 'stop')) {
      throw new Error(
        `Failpoint ${JSON.stringify(part)} is not name=crash or name=stop, with @n behind it if wanted; names: ${Object.keys(FAILPOINTS).join(', ')}`,
      );
    }
    actions.set(name, { kind, passage: Number(passage) });
  }
}

/** Passes the place `name`; does nothing unless a test has set it. */
export function failpoint(name: Failpoint): void {
  if (actions.size === 0) {
    return;
  }
  const action = actions.get(name);
  const passage = (passages.get(name) ?? 0) + 1;
  passages.set(name, passage);
  if (action !== undefined && action.passage === passage) {
    process.kill(process.pid, action.kind === 'crash' ? 'SIGKILL' : 'SIGSTOP');
  }
}

/** The environment variable that sets the failpoints of a program. */
const VARIABLE = 'CONCORDAT_FAILPOINTS';

/** Sets what the environment asks for, and says so: a program with failpoints must not run unnoticed. @throws {Error} as `setFailpoints`. */
export function armFailpoints(
  environment: Readonly<Record<string, string | undefined>>,
  logger: { warn(fields: { readonly evt: string; readonly specification: string }): void },
): void {
  const specification = environment[VARIABLE] ?? '';
  setFailpoints(specification);
  if (specification !== '') {
    logger.warn({ evt: 'failpoints-set', specification });
  }
}
