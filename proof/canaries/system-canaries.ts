// Bugs of what stands around the protocol: the driver, recovery, questions, participants. The simulator runs all of it.
import type { Canary } from './canary.ts';

const SIM = { kind: 'sim', seeds: 400 } as const;

export const SYSTEM_CANARIES: readonly Canary[] = [
  {
    id: 'C1-force',
    title: 'the record of a decision is appended, and nobody waits for its force',
    breaks: ['D1', 'D5'],
    patches: [
      {
        file: 'src/coordinator/driver/effects.ts',
        find: "log.append([record], 'forced').then(() => {",
        put: "log.append([record], 'lazy').then(() => {",
      },
    ],
    caughtBy: SIM,
    sees: /^D1/,
  },
  {
    id: 'C4',
    title: 'a force that fails is an abort',
    breaks: ['D2', 'D5'],
    patches: [
      {
        file: 'src/coordinator/driver/effects.ts',
        find: '      apply(transaction, then);\n    }, fail);',
        put: `      apply(transaction, then);
    }, (error) => {
      if (then.kind === 'decision-durable') {
        apply(transaction, { kind: 'deadline', reason: { code: 'TXN_ROLLED_BACK', message: '', retryable: true } });
      }
      fail(error);
    });`,
      },
      {
        file: 'src/coordinator/engine/deciding.ts',
        find: "    case 'enlist-requested':\n",
        put: `    case 'deadline':
      return {
        state: { kind: 'rolling-back', gtrid: state.gtrid, branches: state.branches, reason: event.reason },
        effects: [...state.branches.map((branch) => finishEffect(branch, 'rollback')), { kind: 'answer', level: 'decided' }],
      };
    case 'enlist-requested':
`,
      },
      {
        // As it may have been before the deadline was taken off: only a failed force has this effect here.
        file: 'src/coordinator/driver/waiting.ts',
        find: '    this.#replace(transaction, delayMs, () => {\n',
        put: "    this.#replace(transaction, delayMs, () => {\n      if (transaction.state.kind === 'deciding') return;\n",
      },
    ],
    caughtBy: SIM,
    sees: /^D(2|4|5)/,
  },
  {
    id: 'C6',
    title: 'a restart drops the decisions that it finds',
    breaks: ['D4', 'D5', 'D7'],
    patches: [
      {
        file: 'src/coordinator/driver/recovery.ts',
        find: 'if (step !== undefined) {',
        put: "if (step !== undefined && step.state.kind !== 'committing') {",
      },
    ],
    caughtBy: SIM,
    sees: /^D/,
  },
  {
    id: 'C7',
    title: 'the row that proves a commit is deleted before the record that accounts for it is durable',
    breaks: ['D6', 'D7'],
    patches: [
      {
        file: 'src/coordinator/calls/evidence-rows.ts',
        find: 'this.#unproven.push(row);',
        put: 'this.forget(row);',
      },
    ],
    caughtBy: SIM,
    sees: /^D(4|5|6)/,
  },
  {
    id: 'C9',
    title: 'a restart numbers its transactions from the beginning',
    breaks: ['D8', 'D9'],
    patches: [
      {
        file: 'src/coordinator/core.ts',
        find: 'new Leases(identity, epoch)',
        put: 'new Leases(identity, 1)',
      },
      {
        file: 'src/coordinator/core.ts',
        find: '...{ api: application, driver, transactions, leases, directory, identity, epoch, defaultTimeoutMs, clock, logger },',
        put: '...{ api: application, driver, transactions, leases, directory, identity, epoch: 1, defaultTimeoutMs, clock, logger },',
      },
      {
        file: 'src/participants/runtime/runtime.ts',
        find: 'if (identity !== serving.identity || epoch !== serving.epoch) {',
        put: 'if (identity !== serving.identity) {',
      },
    ],
    caughtBy: SIM,
    sees: /^D/,
  },
  {
    id: 'C10',
    title: 'an orphan is rolled back although decisions may be missing in the log',
    breaks: ['D4', 'D5', 'D7'],
    patches: [
      {
        file: 'src/coordinator/engine/absent.ts',
        find: 'if (isOfLostLife(gtrid, log) && ',
        put: "if (gtrid === '' && ",
      },
    ],
    caughtBy: SIM,
    sees: /^D/,
  },
  {
    id: 'C13',
    title: 'a participant votes yes although its engine rolled the branch back instead of preparing it',
    breaks: ['D3'],
    patches: [
      {
        file: 'src/participants/runtime/branches/sessions.ts',
        find: 'return { vote: await takeVote(branch, session, how), damage: undefined };',
        put: "const vote = await takeVote(branch, session, how);\n    return { vote: vote.kind === 'rollback' ? { kind: 'prepared', evidence: { kind: 'none' } } : vote, damage: undefined };",
      },
    ],
    caughtBy: SIM,
    sees: /^D/,
  },
  {
    id: 'C13-blind',
    title: 'a participant votes yes without asking its engine',
    breaks: ['D3'],
    patches: [
      {
        file: 'src/participants/runtime/branches/sessions.ts',
        find: 'return { vote: await takeVote(branch, session, how), damage: undefined };',
        put: "return { vote: { kind: 'prepared', evidence: { kind: 'none' } }, damage: undefined };",
      },
    ],
    caughtBy: SIM,
    sees: /^D/,
  },
  {
    id: 'C17',
    title: 'a commit that is repeated after a restart is answered as if it had never been decided',
    breaks: ['D5'],
    patches: [
      {
        file: 'src/coordinator/engine/question.ts',
        find: 'if (recorded !== undefined) {',
        put: "if (recorded === 'mixed') {",
      },
    ],
    caughtBy: SIM,
    // An answer that is not true (D5); where it names other branches than were committed, as damage that nobody did (D4).
    sees: /^D[45]/,
  },
  {
    id: 'C18',
    title: 'a status is answered from a cache that is one step behind',
    breaks: ['D5'],
    patches: [
      {
        file: 'src/coordinator/driver/driver.ts',
        find: '      transaction.version += 1;\n',
        put: '      transaction.version += 1;\n      transaction.cached = before;\n',
      },
      {
        file: 'src/coordinator/applications/application-api.ts',
        find: 'return { transaction: wireTransaction(found, this.#clock.now()) };',
        put: 'return { transaction: wireTransaction({ ...found, state: found.cached ?? found.state }, this.#clock.now()) };',
      },
    ],
    caughtBy: SIM,
    sees: /^I9/,
  },
  {
    id: 'C27-begin',
    title: 'a late vote begins a transaction again whose outcome has been forgotten',
    breaks: ['D9'],
    patches: [
      {
        file: 'src/coordinator/driver/leases.ts',
        find: 'this.ownerOf(gtrid) !== undefined && !this.wasBegun(gtrid) && ',
        put: 'this.ownerOf(gtrid) !== undefined && ',
      },
      {
        file: 'src/coordinator/applications/operations.ts',
        find: 'if (leases.wasBegun(gtrid)) {',
        put: "if (gtrid === '') {",
      },
    ],
    caughtBy: SIM,
    sees: /^D9/,
  },
  {
    id: 'C23-markers',
    title: 'the row that alone proves a commit in one phase is kept for a minute of the wall clock',
    breaks: ['D6', 'D10'],
    patches: [
      {
        file: 'src/coordinator/calls/evidence-rows.ts',
        find: 'const now = this.#clock.now();\n    let newest',
        put: 'const now = this.#clock.wallTime();\n    let newest',
      },
      {
        file: 'src/coordinator/calls/evidence-rows.ts',
        find: 'const now = this.#clock.now();\n    for (let oldest',
        put: 'const now = this.#clock.wallTime();\n    for (let oldest',
      },
    ],
    // The clock jumps seldom within the minute of such a row: about one seed of a thousand shows it.
    caughtBy: { kind: 'sim', from: 1_801, seeds: 1_200 },
    sees: /^D10/,
  },
  {
    id: 'C23-proof',
    title: 'the row that alone proves a commit in one phase goes a second after the commit was heard of',
    breaks: ['D6', 'D10'],
    patches: [
      {
        file: 'src/coordinator/calls/evidence-rows.ts',
        find: 'newest = { dueAt: now + PROOF_KEPT_MS + KEPT_STEP_MS, rows: [] };',
        put: 'newest = { dueAt: now + KEPT_STEP_MS, rows: [] };',
      },
    ],
    caughtBy: SIM,
    sees: /^D10/,
  },
  {
    id: 'C23-wall',
    title: 'a participant rolls back what has been prepared for a day of the wall clock',
    breaks: ['D2', 'D10'],
    patches: [
      {
        file: 'src/participants/runtime/reconciler.ts',
        find: '      if (xid !== undefined && !moves) {\n',
        put: `      this.wallTime ??= clock.wallTime();
      if (xid !== undefined && clock.wallTime() - this.wallTime > 86_400_000) {
        void rm.rollback(xid, evidence);
      } else if (xid !== undefined && !moves) {
`,
      },
    ],
    caughtBy: SIM,
    sees: /^D2/,
  },
  {
    id: 'C24-age',
    title: 'a decision leaves the log by age although not every branch is accounted for',
    breaks: ['D7'],
    patches: [
      {
        file: 'src/log/ledger-item.ts',
        find: 'return !isUndone(item) && (item.forgotten',
        put: 'return item.decided !== undefined || (item.forgotten',
      },
    ],
    caughtBy: SIM,
    sees: /^D/,
  },
  {
    id: 'C30',
    title: 'a participant that is told to roll a branch back commits it',
    breaks: ['D3'],
    patches: [
      {
        file: 'src/participants/runtime/branches/sessions.ts',
        find: '      .then((session) => session.rollback())\n      .catch((error: unknown) => logger',
        put: `      .then(async (session) => {
        const asked = await session.askOnePhase();
        await (asked.kind === 'has-written' ? session.commitOnePhase() : session.rollback());
      })
      .catch((error: unknown) => logger`,
      },
    ],
    caughtBy: SIM,
    sees: /^D3/,
  },
  {
    id: 'C31',
    title:
      'what proves a commit in one phase is told to its participant, and not kept for the instance that is asked after it',
    breaks: ['D4', 'D5'],
    patches: [
      {
        file: 'src/coordinator/engine/one-phase.ts',
        find: 'may be lost.\n  return { state: { ...state, branch }, effects',
        put: 'may be lost.\n  return { state, effects',
      },
    ],
    caughtBy: SIM,
    sees: /^D(4|5)/,
  },
  {
    id: 'C33',
    title: 'a one-shot branch is prepared for whoever asks, also before its last statement has come',
    breaks: ['D3'],
    patches: [
      {
        file: 'src/participants/engine/unasked.ts',
        find: "state.kind === 'active' && state.oneShot ? {",
        put: "state.kind === 'prepared' ? {",
      },
    ],
    caughtBy: SIM,
    sees: /^D(2|4|5)/,
  },
];
