// `concordat tx explain`: one screen with the decision, what each engine shows now, whom it blocks and what happens next.
import type { BranchObservation__Output } from '../../../gen/concordat/v1/BranchObservation.ts';
import type { AdminClient } from '../../run/admin-client.ts';
import type { Context } from '../../run/globals.ts';
import { fetchResources } from '../../run/resources.ts';
import { type ByHandView, byHandOf, renderByHand } from '../../show/by-hand.ts';
import { formatDuration } from '../../show/duration.ts';
import { printable } from '../../show/escape.ts';
import type { Tone } from '../../show/paint.ts';
import { renderFields, renderTable, type TableColumn } from '../../show/table.ts';
import {
  type BranchView,
  describeReason,
  enumWord,
  type ReasonView,
  type TransactionView,
  toneOf,
  transactionFields,
  viewReason,
} from '../../show/transaction-view.ts';
import { exitOfTransaction, requireTransaction } from './tx-show.ts';

interface ObservationView {
  readonly bqual: string;
  /** Null: the engine could not be asked; `error` says why. */
  readonly proof: string | null;
  readonly blockedSessions: number;
  readonly error: ReasonView | null;
}

interface Line {
  readonly branch: BranchView;
  readonly seen: ObservationView | undefined;
}

function viewObservation(observation: BranchObservation__Output): ObservationView {
  return {
    bqual: observation.bqual,
    proof: enumWord('BRANCH_PROOF_', observation.proof),
    blockedSessions: observation.blockedSessions,
    error: viewReason(observation.error),
  };
}

export async function explainTransaction(context: Context, id: string): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const answer = await admin.call('GetTransaction', { gtrid: id, probe: true });
  const transaction = requireTransaction(answer.transaction);
  const observations = answer.observations.map(viewObservation);
  const byHand = await statementsByHand(admin, transaction, observations);
  console.document('explanation', { transaction, observations, explanation: answer.explanation, byHand });

  const { layout } = console;
  console.print(renderFields(transactionFields(transaction), layout));
  if (answer.explanation.length > 0) {
    console.print(`\n${answer.explanation.map((sentence) => `  ${printable(sentence)}\n`).join('')}`);
  }
  const lines = transaction.branches.map((branch) => ({
    branch,
    seen: observations.find((observation) => observation.bqual === branch.bqual),
  }));
  if (lines.length > 0) {
    console.print(`\n${renderTable(COLUMNS, lines, layout)}`);
  }
  const notes = lines.flatMap(({ branch, seen }) => [
    ...(branch.reason === null ? [] : [[branch.bqual, describeReason(branch.reason)] as const]),
    ...(seen?.error == null ? [] : [[branch.bqual, `not asked: ${describeReason(seen.error)}`] as const]),
  ]);
  if (notes.length > 0) {
    console.print(`\n${renderFields(notes, layout)}`);
  }
  if (byHand.length > 0) {
    console.print(`\n${renderByHand(transaction, byHand)}`);
  }
  return exitOfTransaction(transaction);
}

/** Of branches that hold something at an engine which nobody could ask. */
async function statementsByHand(
  admin: AdminClient,
  transaction: TransactionView,
  observations: readonly ObservationView[],
): Promise<readonly ByHandView[]> {
  const unseen = new Set(observations.filter(({ error }) => error !== null).map(({ bqual }) => bqual));
  const held = transaction.branches.filter(({ bqual, state }) => unseen.has(bqual) && HOLDING.includes(state));
  if (held.length === 0) {
    return [];
  }
  const engines = new Map((await fetchResources(admin)).map(({ name, engine }) => [name, engine]));
  return held.flatMap((branch) => byHandOf(transaction.id, branch, engines.get(branch.resource) ?? '') ?? []);
}

/** States in which the engine may hold the branch prepared. */
const HOLDING: readonly string[] = ['prepared', 'committing', 'rolling-back', 'unproven'];

const COLUMNS: readonly TableColumn<Line>[] = [
  { header: 'BRANCH', value: ({ branch }) => branch.bqual },
  { header: 'STATE', value: ({ branch }) => branch.state, tone: ({ branch }) => toneOf(branch.state) },
  { header: 'ENGINE SHOWS NOW', value: ({ seen }) => shown(seen), tone: ({ seen }) => shownTone(seen) },
  {
    header: 'BLOCKS',
    value: ({ seen }) => blocks(seen),
    tone: ({ seen }) => ((seen?.blockedSessions ?? 0) > 0 ? 'warning' : undefined),
  },
  { header: 'EVIDENCE', value: ({ branch }) => branch.evidence ?? '-' },
  { header: 'CALLS', value: ({ branch }) => String(branch.attempts), align: 'right' },
  {
    header: 'NEXT CALL',
    value: ({ branch }) => (branch.nextAttemptInMs === null ? '-' : `in ${formatDuration(branch.nextAttemptInMs)}`),
  },
];

function shown(seen: ObservationView | undefined): string {
  return seen === undefined || seen.error !== null ? 'not asked' : (seen.proof ?? 'nothing');
}

function shownTone(seen: ObservationView | undefined): Tone | undefined {
  return seen === undefined || seen.error !== null ? 'warning' : toneOf(seen.proof);
}

function blocks(seen: ObservationView | undefined): string {
  const count = seen?.blockedSessions ?? 0;
  return count === 0 ? '-' : `${count} session${count === 1 ? '' : 's'}`;
}
