// Scripts: cases of one subject in a text file, each with a title, what happens, and the whole trace of what the engine does.

import { judgeReport } from '../../src/coordinator/engine/absent.ts';
import type { Effect, Event } from '../../src/coordinator/engine/event.ts';
import { judge } from '../../src/coordinator/engine/operator.ts';
import { decidedLongAgo, recovered } from '../../src/coordinator/engine/recovered.ts';
import { openTransaction, outcomeOf, type State, whyEnded } from '../../src/coordinator/engine/state.ts';
import { step } from '../../src/coordinator/engine/step.ts';
import { AssertionError, assert, unreachable } from '../../src/lib/assert.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { type Bqual, formatBqual, type Gtrid, type ResourceName } from '../../src/xa/xid.ts';
import { ABSENT_VERBS, Absent, describeConclusion } from './absent.ts';
import { actRouting, ROUTING_VERBS } from './routing.ts';
import { describeChange, describeEffects, describeJudgement, describeRecord } from './trace.ts';
import { type Action, parseLine, reason, VOUCHED } from './words.ts';

export interface Case {
  readonly title: string;
  /** Everything between the title and the trace, as written: the story in further `#` lines, and the events. */
  readonly body: readonly string[];
  readonly expected: readonly string[];
}

const SEPARATOR = '----';
const GTRID = 'abcdefghij.1.1' as Gtrid;

/** Cases are separated by blank lines. @throws {Error} a case has no title or no events. */
export function parseScript(text: string): readonly Case[] {
  return text
    .split(/\n\s*\n/)
    .map((block) => block.split('\n').filter((line) => line.trim() !== ''))
    .filter((lines) => lines.length > 0)
    .map(([title = '', ...lines]): Case => {
      const at = lines.indexOf(SEPARATOR);
      const body = at === -1 ? lines : lines.slice(0, at);
      if (!title.startsWith('# ') || body.every((line) => line.startsWith('#'))) {
        throw new Error(`a case is a title (# …), events, ${SEPARATOR} and a trace; found: ${title}`);
      }
      return { title: title.slice(2), body, expected: at === -1 ? [] : lines.slice(at + 1) };
    });
}

export function formatScript(cases: readonly Case[]): string {
  const blocks = cases.map(({ title, body, expected }) => [`# ${title}`, ...body, SEPARATOR, ...expected].join('\n'));
  return `${blocks.join('\n\n')}\n`;
}

/** The trace of a case. @throws {Error} a line is not in the vocabulary. */
export function runCase({ body }: Case): readonly string[] {
  const world = new World();
  const trace: string[] = [];
  for (const line of body) {
    if (!line.startsWith('#')) {
      const seen = world.read(line);
      trace.push(line.trim(), ...(seen?.length === 0 ? ['  (nothing)'] : (seen ?? []).map((text) => `  ${text}`)));
    }
  }
  return trace;
}

/** D5: what may be told is not taken back, though damage may be found beside it; and who hears of a rollback hears why. */
function checkTold(before: State | undefined, state: State): void {
  const was = before && outcomeOf(before);
  const told = outcomeOf(state);
  const why = whyEnded(state);
  assert(
    was === undefined || told === was || told === 'mixed' || told === 'hazard',
    `D5: told ${was}, and now ${told}`,
  );
  assert(
    (told === 'rolled-back') === (why !== undefined) || told === undefined || told === 'hazard' || told === 'mixed',
    `D5: ${told} because ${why?.message}`,
  );
}

/** The engine, and around it no more than a log with what is durable in it and what is on its way there. */
class World {
  #state: State | undefined = openTransaction(GTRID);
  /** What it was before it last heard anything. */
  #before: State | undefined;
  #durable: LogRecord[] = [];
  #forced: LogRecord[] = [];
  #lazy: LogRecord[] = [];
  readonly #absent = new Absent();

  /** Undefined: the line tells of the world, and nothing happens. */
  read(line: string): readonly string[] | undefined {
    const [verb = ''] = line.trim().split(' ');
    if (ROUTING_VERBS.includes(verb)) {
      return actRouting(line, this.#before, this.#state);
    }
    return ABSENT_VERBS.includes(verb) ? this.#absent.act(line, this.#state) : this.act(parseLine(line));
  }

  act(action: Action): string[] {
    switch (action.kind) {
      case 'event':
        return this.#step(action.event);
      case 'durable':
        this.#written('decided');
        return this.#step({ kind: 'decision-durable' });
      case 'damage-durable':
        this.#written('heuristic', action.bqual);
        return this.#step({ kind: 'damage-durable', bqual: action.bqual });
      case 'crash':
        return this.#crash(action.written);
      case 'operator':
        return this.#operator(action);
      case 'judge':
        assert(this.#state !== undefined, 'there is a transaction to judge');
        return describeJudgement(judge(this.#state, action.resolution, () => action.reachable));
      case 'log-holds':
        return this.#logHolds(action);
      case 'long-ago':
        this.#state = decidedLongAgo({ kind: 'decided', gtrid: GTRID, branches: action.branches, requestId: '' });
        return [describeChange(undefined, this.#state) ?? ''];
      case 'fill':
        return this.#fill(action.count);
      default:
        return unreachable(action);
    }
  }

  #step(event: Event): string[] {
    const before = this.#state;
    if (before === undefined) {
      return this.#unknown(event);
    }
    try {
      const { state, effects } = step(before, event);
      return this.#enter(before, state, effects);
    } catch (error) {
      if (error instanceof AssertionError) {
        return [`stops: ${error.message}`];
      }
      throw error;
    }
  }

  /** After a crash the log says nothing of the transaction: what a participant tells of it is an orphan. */
  #unknown(event: Event): string[] {
    if (event.kind !== 'branch-found' && event.kind !== 'vote' && event.kind !== 'branch-opened') {
      return ['no such transaction'];
    }
    const conclusion = judgeReport(GTRID, event, this.#absent.facts);
    return conclusion.kind === 'orphan'
      ? this.#enter(undefined, conclusion.step.state, conclusion.step.effects)
      : [...describeConclusion(conclusion)];
  }

  #enter(before: State | undefined, state: State, effects: readonly Effect[]): string[] {
    this.#before = before;
    this.#state = state;
    checkTold(before, state);
    for (const effect of effects) {
      if (effect.kind === 'decide' || effect.kind === 'record-damage') {
        this.#forced.push(effect.record);
      } else if (effect.kind === 'finished') {
        this.#lazy.push(effect.record);
      }
    }
    const change = describeChange(before, state);
    return [...(change === undefined ? [] : [change]), ...describeEffects(effects, state)];
  }

  /** A forced write carries every lazy record before it. */
  #written(kind: 'decided' | 'heuristic', bqual?: Bqual): void {
    const isIt = (record: LogRecord): boolean =>
      record.kind === kind && (record.kind !== 'heuristic' || record.damage.some((damage) => damage.bqual === bqual));
    this.#durable.push(...this.#lazy, ...this.#forced.filter(isIt));
    this.#lazy = [];
    this.#forced = this.#forced.filter((record) => !isIt(record));
  }

  #crash(written: boolean): string[] {
    this.#durable.push(...(written ? [...this.#lazy, ...this.#forced] : []));
    this.#lazy = [];
    this.#forced = [];
    this.#state = undefined;
    const log = `the log holds ${this.#durable.map(describeRecord).join('; ') || 'nothing'}`;
    if (this.#durable.some(({ kind }) => kind === 'finished')) {
      return [log];
    }
    const step = recovered(GTRID, this.#durable, this.#absent.lostTo);
    return step === undefined ? [log] : [log, ...this.#enter(undefined, step.state, step.effects)];
  }

  #operator({ bqual, end, heard }: Extract<Action, { kind: 'operator' }>): string[] {
    const by = { operator: 'ops', reason: 'saw it in the table', requestId: '', wallTime: 0 };
    const action = bqual === undefined ? 'rollback' : end === 'committed' ? 'branch-committed' : 'branch-rolled-back';
    const record: LogRecord = { kind: 'operator-action', gtrid: GTRID, action, ...by, ...(bqual && { bqual }) };
    this.#durable.push(record);
    if (!heard) {
      return [`durable: ${describeRecord(record)}`];
    }
    return this.#step(
      bqual === undefined
        ? { kind: 'operator-rollback', reason: reason('TXN_ROLLED_BACK') }
        : { kind: 'operator-vouched', bqual, end, proof: VOUCHED },
    );
  }

  #logHolds({ decision, bqual }: Extract<Action, { kind: 'log-holds' }>): string[] {
    const kind = decision === 'commit' ? 'rolled-back' : 'committed';
    const damage = [{ bqual, kind, proof: 'its engine proves the other end' }] as const;
    const record: LogRecord = { kind: 'heuristic', gtrid: GTRID, decision, damage };
    this.#durable.push(record);
    return [`durable: ${describeRecord(record)}`];
  }

  #fill(count: number): string[] {
    let seen: string[] = [];
    for (let n = 1; n <= count; n += 1) {
      const bqual = formatBqual('stock' as ResourceName, n);
      seen = this.#step({ kind: 'enlist-requested', bqual, instance: 'i3' });
    }
    return seen;
  }
}
