// The budget of all queues for peers that do not read.
import { describe, expect, it } from 'vitest';
import { FrameWriter } from '../../src/wire/frames.ts';
import { QueueBudget } from '../../src/wire/queue-budget.ts';

interface Peer {
  readonly writer: FrameWriter<number, number[]>;
  readonly taken: number[];
  /** Whether the peer reads. */
  reads: boolean;
  drain(): void;
  givenUp: boolean;
}

function open(budget: QueueBudget, reads = false): Peer {
  const drains: (() => void)[] = [];
  const deferred: (() => void)[] = [];
  const sink = {
    write: (frame: number[]) => {
      peer.taken.push(...frame);
      return peer.reads;
    },
    once: (_: 'drain', listener: () => void) => drains.push(listener),
    defer: (flush: () => void) => deferred.push(flush),
  };
  const peer: Peer = {
    writer: new FrameWriter<number, number[]>(
      sink,
      (messages) => messages,
      () => {
        peer.givenUp = true;
      },
      { weigh: (bytes) => bytes, frameMax: 100, queueMax: 1_000, budget },
    ),
    taken: [],
    reads,
    givenUp: false,
    drain: () => {
      for (const run of [...deferred.splice(0), ...drains.splice(0)]) {
        run();
      }
    },
  };
  return peer;
}

describe('the budget of unread queues', () => {
  it('gives up the longest queue first, and as many as are needed, and nobody who reads (security X22)', () => {
    const budget = new QueueBudget(1_000);
    const [long, short, longer, reader] = [open(budget), open(budget), open(budget), open(budget, true)];
    long.writer.send(400);
    longer.writer.send(450);
    short.writer.send(100);
    reader.writer.send(40);
    expect([long, short, longer, reader].map(({ givenUp }) => givenUp)).toEqual([false, false, false, false]);
    short.writer.send(50);
    expect([long, short, longer, reader].map(({ givenUp }) => givenUp)).toEqual([false, false, true, false]);
    expect(budget.total).toBe(590);
    reader.drain();
    expect(budget.total).toBe(550);
    short.writer.send(460);
    expect([long, short, longer, reader].map(({ givenUp }) => givenUp)).toEqual([false, true, true, false]);
    expect(budget.total).toBe(400);
  });

  it('counts what the stream has taken until its peer has read it, and nothing of a stream that is over (security X22)', () => {
    const budget = new QueueBudget(1_000);
    const peer = open(budget);
    peer.writer.send(90);
    peer.writer.send(80);
    peer.drain(); // The turn ends: the first frame is written, and the peer does not read it.
    expect(peer.taken).toEqual([90]);
    expect(budget.total).toBe(170);
    peer.drain(); // It has read that one now, and not the second.
    expect(peer.taken).toEqual([90, 80]);
    expect(budget.total).toBe(80);
    peer.reads = true;
    peer.drain();
    expect(budget.total).toBe(0);
    peer.reads = false;
    peer.writer.send(70);
    peer.writer.send(60);
    peer.drain();
    peer.writer.close();
    expect(budget.total).toBe(0);
    peer.drain();
    peer.writer.send(50);
    expect(budget.total).toBe(0);
  });

  it('counts frames of a stream of Node until they have left it, and writes few ahead (security X22)', () => {
    const budget = new QueueBudget(1_000);
    const left: (() => void)[] = [];
    const deferred: (() => void)[] = [];
    const taken: number[] = [];
    const writer = new FrameWriter<number, number[]>(
      {
        writableLength: 0,
        write: (frame, done) => {
          taken.push(...frame);
          left.push(done ?? (() => undefined));
          return true; // As a stream does, up to sixteen frames.
        },
        once: () => undefined,
        defer: (flush) => deferred.push(flush),
      },
      (messages) => messages,
      () => undefined,
      { weigh: (bytes) => bytes, frameMax: 100, queueMax: 1_000, budget },
    );
    for (let n = 0; n < 5; n += 1) {
      writer.send(80 + n);
    }
    deferred.shift()?.();
    expect(taken).toEqual([80, 81, 82]);
    expect(budget.total).toBe(80 + 81 + 82 + 83 + 84);
    left.shift()?.();
    expect(taken).toEqual([80, 81, 82, 83]);
    expect(budget.total).toBe(81 + 82 + 83 + 84);
    for (const done of left.splice(0)) {
      done();
    }
    left.shift()?.();
    expect(taken).toEqual([80, 81, 82, 83, 84]);
    expect(budget.total).toBe(0);
  });

  it('lets go of a queue that is too long by itself (security X22)', () => {
    const budget = new QueueBudget(10_000);
    const peer = open(budget);
    peer.writer.send(600);
    peer.writer.send(600);
    expect(peer.givenUp).toBe(true);
    expect(budget.total).toBe(0);
  });
});
