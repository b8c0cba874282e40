// `concordat tx`: the commands about transactions; each loads its code when it runs.

import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { parseGtrid } from '../../../xa/xid.ts';
import { countOption, durationOption, onRun } from '../../run/globals.ts';
import { addConfirmationOptions } from '../../run/operator-options.ts';
import { STATE_FILTERS, type StateFilter } from '../../run/transactions.ts';
import { type WatchOptions, watched, watchOption } from '../../run/watch.ts';
import type { ForgetOptions } from './tx-forget.ts';
import type { ListOptions } from './tx-list.ts';
import type { ResolveOptions } from './tx-resolve.ts';

export function defineTx(tx: Command): void {
  tx.description('Look at transactions and settle what is stuck.');
  defineList(tx);
  defineShow(tx);
  defineExplain(tx);
  defineRetry(tx);
  defineResolve(tx);
  defineForget(tx);
}

/** Ids are checked before anything is sent: a wrong one is a usage error, and its odd characters are shown escaped. */
function idArgument(): Argument {
  return new Argument('<id>', 'the transaction: <identity>.<epoch>.<sequence>').argParser((text: string) => {
    if (parseGtrid(text) === undefined) {
      throw new InvalidArgumentError('It is not a transaction id: <identity>.<epoch>.<sequence>, a-z, 0-9 and dots.');
    }
    return text;
  });
}

function defineList(tx: Command): void {
  const list = tx
    .command('list')
    .summary('list transactions')
    .description(
      'List transactions: all that are not completed, and the heuristic ones, unless --state says otherwise.',
    )
    .addOption(
      new Option('--state <state>', 'only these; may be given several times, or with commas')
        .default([], 'not completed, and heuristic')
        .argParser(stateFilters),
    )
    .option('--resource <name>', 'only those with a branch at this resource')
    .addOption(
      new Option('--older-than <duration>', 'only those at least this old, like 90s or 1h').argParser(durationOption),
    )
    .addOption(new Option('--limit <n>', 'at most this many').default(100).argParser(countOption))
    .option('--all', 'all, however many')
    .option('--finished', 'those that are over, the newest first, instead of those that are not')
    .addOption(
      new Option('--since <duration>', 'with --finished: ended at most this long ago (default: 1h)').argParser(
        durationOption,
      ),
    )
    .addOption(watchOption())
    .option('--page-token <token>', 'go on where an earlier list with the same filters ended')
    .addHelpText(
      'after',
      '\nExamples:\n  $ concordat tx list --state in-doubt --older-than 1m\n  $ concordat tx list --finished --since 1h\n',
    );
  onRun<ListOptions & WatchOptions>(list, async (context, options) => {
    const { listTransactions } = await import('./tx-list.ts');
    return watched(context, options.watch, () => listTransactions(context, options));
  });
}

function stateFilters(text: string, previous: readonly StateFilter[]): readonly StateFilter[] {
  const words = text.split(',').map((word) => {
    const known = STATE_FILTERS.find((candidate) => candidate === word);
    if (known === undefined) {
      throw new InvalidArgumentError(`Allowed are ${STATE_FILTERS.join(', ')}.`);
    }
    return known;
  });
  return [...previous, ...words];
}

function defineShow(tx: Command): void {
  const show = tx
    .command('show')
    .summary('show one transaction and its branches')
    .description(
      'Show one transaction and its branches as the coordinator holds them. Exit 7 when its outcome is unknown.',
    )
    .addArgument(idArgument())
    .addHelpText('after', '\nExample:\n  $ concordat tx show jx3k5q2m7a.2.1f\n');
  onRun<object>(show, async (context, _, [id = '']) => {
    const { showTransaction } = await import('./tx-show.ts');
    return showTransaction(context, id);
  });
}

function defineExplain(tx: Command): void {
  const explain = tx
    .command('explain')
    .summary('what was decided, what each engine shows now, what happens next')
    .description(
      'Explain one transaction: what was decided, what each engine shows now, whom its branches block, what recovery does next and when. Exit 7 when its outcome is unknown.',
    )
    .addArgument(idArgument())
    .addHelpText('after', '\nExample:\n  $ concordat tx explain jx3k5q2m7a.2.1f\n');
  onRun<object>(explain, async (context, _, [id = '']) => {
    const { explainTransaction } = await import('./tx-explain.ts');
    return explainTransaction(context, id);
  });
}

function defineRetry(tx: Command): void {
  const retry = tx
    .command('retry')
    .summary('make the next call to its branches now')
    .description(
      'Call the unfinished branches of a transaction now instead of after their backoff. Changes no decision.',
    )
    .addArgument(idArgument())
    .addHelpText('after', '\nExample:\n  $ concordat tx retry jx3k5q2m7a.2.1f\n');
  onRun<object>(retry, async (context, _, [id = '']) => {
    const { retryTransaction } = await import('./tx-retry.ts');
    return retryTransaction(context, id);
  });
}

function defineResolve(tx: Command): void {
  const resolve = tx
    .command('resolve')
    .summary('settle what recovery cannot')
    .description(
      'Settle a transaction by hand. Shows the effects first and asks for the last six characters of the id. What contradicts a durable decision is refused. Without a terminal and without --yes: exit 10.',
    )
    .addArgument(idArgument())
    .option('--rollback', 'roll back a transaction that has no decision')
    .option('--commit', 'commit a transaction whose decision a restored log lacks (see tx explain)')
    .option('--branch <bqual>', 'settle this branch of a decided transaction, whose engine proves neither end')
    .option('--committed', 'with --branch: you vouch that it committed')
    .option('--rolled-back', 'with --branch: you found it rolled back; the transaction ends mixed');
  addConfirmationOptions(resolve).addHelpText(
    'after',
    `
Examples:
  $ concordat tx resolve jx3k5q2m7a.2.1f --rollback --reason "client is gone, INC-1234"
  $ concordat tx resolve jx3k5q2m7a.2.1f --branch orders --committed --reason "row 88 is there, INC-1234"
`,
  );
  onRun<ResolveOptions>(resolve, async (context, options, [id = '']) => {
    const { resolveTransaction } = await import('./tx-resolve.ts');
    return resolveTransaction(context, id, options);
  });
}

function defineForget(tx: Command): void {
  const forget = tx
    .command('forget')
    .summary('drop a heuristic outcome after its data is fixed')
    .description(
      'Drop a heuristic outcome from the list, after its data is fixed. Shows the effects first and asks for the last six characters of the id. Without a terminal and without --yes: exit 10.',
    )
    .addArgument(idArgument());
  addConfirmationOptions(forget).addHelpText(
    'after',
    '\nExample:\n  $ concordat tx forget jx3k5q2m7a.2.1f --reason "deposit corrected by hand, INC-1234"\n',
  );
  onRun<ForgetOptions>(forget, async (context, options, [id = '']) => {
    const { forgetTransaction } = await import('./tx-forget.ts');
    return forgetTransaction(context, id, options);
  });
}
