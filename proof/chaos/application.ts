// The application of the workload as a process of its own: makes transfers and writes down what it was told of each.
// Driven by lines on its standard input, `go` and `pause`; its settings are one JSON text in its arguments.
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Concordat,
  ConcordatError,
  connect,
  HeuristicOutcomeError,
  OutcomeUnknownError,
  ResultsLostError,
  type Transaction,
} from '../../src/client/index.ts';
import { armFailpoints } from '../../src/lib/failpoint.ts';
import { dice } from '../disk/dice.ts';
import { OwnConnections } from './own-connections.ts';
import { openReportFile, type ReportFile, type Told } from './reports.ts';
import type { SideName } from './sides.ts';
import { drawTransfer, oneShotOf, type Transfer, type Way, work } from './transfer.ts';

export interface ApplicationSettings {
  /** Unique among all lives of all applications; what it writes begins with it. */
  readonly name: string;
  readonly seed: number;
  readonly coordinator: string;
  readonly sides: readonly SideName[];
  /** Where its own connections go. */
  readonly urls: Readonly<Record<string, string>>;
  readonly ways: readonly Way[];
  /** Transactions at a time. */
  readonly workers: number;
  readonly timeoutMs: number;
  readonly outcomeTimeoutMs: number;
  readonly report: string;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** After a transaction that could not even begin. */
const BREATH_MS = 50;

const settings = JSON.parse(process.argv[2] ?? '') as ApplicationSettings;
const say = (evt: string, fields: object = {}): void => console.log(JSON.stringify({ evt, ...fields }));

let gate = Promise.withResolvers<void>();
let isOpen = false;
let atWork = 0;

armFailpoints(process.env, { warn: (fields) => say(fields.evt, fields) });
using report = openReportFile(settings.report);
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'go') {
    isOpen = true;
    gate.resolve();
  } else if (line === 'pause') {
    isOpen = false;
    gate = Promise.withResolvers();
    sayIfPaused();
  }
});

const concordat = await connectPatiently();
say('ready');
await Promise.all(Array.from({ length: settings.workers }, (_, worker) => run(concordat, report, worker)));

async function connectPatiently(): Promise<Concordat> {
  for (;;) {
    try {
      return await connect(settings.coordinator, {
        application: settings.name,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        outcomeTimeoutMs: settings.outcomeTimeoutMs,
      });
    } catch (error) {
      say('not-connected', { message: String(error) });
    }
  }
}

async function run(client: Concordat, file: ReportFile, worker: number): Promise<never> {
  const roll = dice(settings.seed + worker);
  const own = new OwnConnections(settings.urls);
  for (let count = 1; ; count += 1) {
    await gate.promise;
    atWork += 1;
    const way = settings.ways[roll(settings.ways.length)] ?? 'sidecar';
    const transfer = drawTransfer(roll, settings.sides, way, `${settings.name}.${worker}.${count}`);
    const told = await (way === 'one-shot' ? makeAtOnce(client, transfer) : make(client, transfer, own));
    file.write(told);
    if (told.answer === 'committed') {
      say('committed');
    }
    if (told.answer !== 'committed' && roll(2) === 0) {
      own.discard();
    }
    if (told.gtrid === undefined) {
      own.discard();
      await sleep(BREATH_MS);
    }
    atWork -= 1;
    sayIfPaused();
  }
}

async function make(client: Concordat, transfer: Transfer, own: OwnConnections): Promise<Told> {
  let tx: Transaction | undefined;
  const about = { id: transfer.id, group: transfer.sides.join('+'), way: transfer.way };
  try {
    tx = await client.beginWhenReady({
      timeoutMs: settings.timeoutMs,
      acknowledgement: transfer.acknowledgement,
    });
    await work(transfer, { tx, joined: client.join(tx.context), own });
    const { applied } = await tx.commit();
    const unseen = applied ? await unseenAt(transfer, own) : undefined;
    return { ...about, gtrid: tx.gtrid, answer: 'committed', ...(unseen === undefined ? {} : { unseen }) };
  } catch (error) {
    // Harmless after a commit that was asked for, whose error stands; before it, this is what the promise of a rollback rests on.
    await tx?.rollback('the work failed').catch(() => undefined);
    return { ...about, gtrid: tx?.gtrid, ...failureOf(error) };
  }
}

async function makeAtOnce(client: Concordat, transfer: Transfer): Promise<Told> {
  const about = { id: transfer.id, group: transfer.sides.join('+'), way: transfer.way };
  const { acknowledgement } = transfer;
  try {
    const { gtrid } = await client.transact(oneShotOf(transfer), { timeoutMs: settings.timeoutMs, acknowledgement });
    return { ...about, gtrid, answer: 'committed' };
  } catch (error) {
    if (error instanceof ResultsLostError) {
      return { ...about, gtrid: error.gtrid, answer: 'committed' };
    }
    // A failed statement is told in its own words, without the id of the transaction that was rolled back for it.
    const gtrid = error instanceof ConcordatError ? error.gtrid : undefined;
    return { ...about, gtrid, ...failureOf(error) };
  }
}

function failureOf(error: unknown): Pick<Told, 'answer' | 'code' | 'branches'> {
  return {
    answer: answerOf(error),
    code: error instanceof ConcordatError ? error.code : String(error),
    ...(error instanceof OutcomeUnknownError ? { branches: error.branches } : {}),
  };
}

function answerOf(error: unknown): Told['answer'] {
  if (error instanceof OutcomeUnknownError) {
    return 'unknown';
  }
  return error instanceof HeuristicOutcomeError ? 'heuristic' : 'rolled-back';
}

/** Told that it is applied, the next read anywhere must see it. */
async function unseenAt(transfer: Transfer, own: OwnConnections): Promise<SideName | undefined> {
  if (transfer.way !== 'own' && transfer.way !== 'mixed') {
    return undefined;
  }
  const side = transfer.sides[transfer.lane % transfer.sides.length];
  return side !== undefined && (await own.sees(side, transfer.id)) === false ? side : undefined;
}

function sayIfPaused(): void {
  if (!isOpen && atWork === 0) {
    say('paused');
  }
}
