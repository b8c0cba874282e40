// The words of scripts about who is asked and told, and about what is left to ask for: engine/routing.ts, and what of an end is kept in mind.
import { loneRows, rowsOf } from '../../src/coordinator/engine/completed.ts';
import type { Event } from '../../src/coordinator/engine/event.ts';
import { givenUp } from '../../src/coordinator/engine/rolling-back.ts';
import {
  afterSilence,
  again,
  hearing,
  type Route,
  type RoutedCall,
  routeOf,
} from '../../src/coordinator/engine/routing.ts';
import type { State } from '../../src/coordinator/engine/state.ts';
import type { EvidenceRow } from '../../src/xa/evidence.ts';
import { evidenceOf, parseEvent, Words } from './words.ts';

export const ROUTING_VERBS: readonly string[] = ['route', 'again', 'silence', 'told-by', 'given-up', 'rows'];

/** `before`: the state from which the present one came; undefined: there is none. */
export function actRouting(line: string, before: State | undefined, state: State | undefined): readonly string[] {
  const words = new Words(line);
  switch (words.next()) {
    case 'route': {
      const call = callIn(words, words.next() as RoutedCall['verb']);
      const waitedMs = words.may('after') ? Number(words.next()) : 0;
      const isHolderThere = words.may('holder');
      const sidecar = words.may('sidecar') ? words.next() : undefined;
      words.end();
      return [describeRoute(routeOf(call, { isHolderThere, sidecar }, waitedMs))];
    }
    case 'again': {
      const verb = words.next() as RoutedCall['verb'];
      const underWay = callIn(words, verb);
      words.expect('after');
      const agoMs = Number(words.next());
      words.expect('wanted');
      return [again(underWay, callIn(words, verb), agoMs)];
    }
    case 'silence': {
      const isAskedByClient = words.may('of-client');
      const verb = words.next() as RoutedCall['verb'];
      const what = afterSilence(verb, isAskedByClient, Number(words.next()));
      return [what.kind === 'over' ? `over (${what.reason.code}: ${what.reason.message})` : what.kind];
    }
    case 'told-by': {
      const instance = words.next();
      const isAsked = words.may('asked');
      const answer = parseEvent(words.next(), words) as Extract<Event, { kind: 'branch-result' }>;
      return [hearing(state, answer, { instance, isAsked })];
    }
    case 'given-up':
      return state === undefined ? [] : givenUp(state).map(({ bqual }) => bqual);
    case 'rows':
      return [
        ...(state?.kind === 'completed' && state.logged ? described('recorded', rowsOf(state)) : []),
        ...(before === undefined || state === undefined ? [] : described('alone', loneRows(before, state))),
      ];
    default:
      throw new Error(`not of routing: ${line}`);
  }
}

/** `orders@i2 with e1` */
function callIn(words: Words, verb: RoutedCall['verb']): RoutedCall {
  const { bqual, instance } = words.branch();
  return { verb, bqual, instance, evidence: evidenceOf(words.may('with') ? words.next() : '') };
}

function describeRoute(route: Route): string {
  switch (route.kind) {
    case 'to':
      return `to ${route.instance}`;
    case 'waits':
      return 'waits';
    case 'untold':
      return `untold (${route.reason.code}: ${route.reason.message})`;
  }
}

function described(how: string, rows: readonly EvidenceRow[]): readonly string[] {
  return rows.map(({ bqual, opening }) => `${how}: ${bqual} ${opening}`);
}
