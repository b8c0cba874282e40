// Deliberately broken parts, one at a time: a simulator that does not find them proves nothing.
import { unreachable } from '../../src/lib/assert.ts';
import type { System } from './system.ts';

export const CANARIES = {
  'claims-to-commit': 'a participant says that it has committed, and has not',
  'votes-blindly': 'a participant votes yes although its engine did not prepare',
  'commits-early': 'the coordinator takes a decision for durable before it is on the disk',
  'forgets-decisions': 'the last decision is not on the disk any more after a crash',
  'rolls-back-decided': 'a participant rolls back what it is told to commit',
  'ignores-branches': 'an engine loses a prepared branch now and then',
} as const;

export type Canary = keyof typeof CANARIES;

export function plant(system: System, canary: Canary): void {
  const { sites, coordinator, world } = system;
  const chance = world.chance.fork();
  switch (canary) {
    case 'claims-to-commit':
      for (const { engine } of sites.map(({ parts }) => parts)) {
        const finish = engine.finishFor.bind(engine);
        engine.finishFor = (id, verb) => (verb === 'commit' && chance.happens(0.1)) || finish(id, verb);
      }
      break;
    case 'votes-blindly':
      for (const { engine } of sites.map(({ parts }) => parts)) {
        const prepare = engine.prepare.bind(engine);
        engine.prepare = (transaction, id, nowMs) => {
          if (chance.happens(0.1)) {
            engine.abort(transaction);
            return true;
          }
          return prepare(transaction, id, nowMs);
        };
      }
      break;
    case 'commits-early':
      coordinator.onLog = (log) => {
        const append = log.append.bind(log);
        log.append = (records, durability) => {
          void append(records, durability).catch(() => undefined);
          return Promise.resolve();
        };
      };
      break;
    case 'forgets-decisions': {
      const { disk } = coordinator;
      const crash = disk.crash.bind(disk);
      disk.crash = (inFlight) => {
        crash(inFlight);
        const last = disk.records.findLast(({ record }) => record.kind === 'decided');
        disk.remove(last === undefined ? [] : [last.sequence], disk.watermark);
      };
      break;
    }
    case 'rolls-back-decided':
      for (const { engine } of sites.map(({ parts }) => parts)) {
        const finish = engine.finish.bind(engine);
        engine.finish = (id, verb) => finish(id, verb === 'commit' && chance.happens(0.05) ? 'rollback' : verb);
      }
      break;
    case 'ignores-branches':
      for (const { engine } of sites.map(({ parts }) => parts)) {
        const isPrepared = engine.isPrepared.bind(engine);
        engine.isPrepared = (id) => {
          if (chance.happens(0.05)) {
            engine.finish(id, 'rollback');
          }
          return isPrepared(id);
        };
      }
      break;
    default:
      unreachable(canary);
  }
}
