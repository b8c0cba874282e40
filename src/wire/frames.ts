// Batched streams: everything queued in one event-loop turn leaves as one frame (measured: 3 to 5 µs a message instead of 120).
import { FRAME_MESSAGES_MAX } from '../xa/limits.ts';
import type { BudgetedQueue, QueueBudget } from './queue-budget.ts';

/** The half of a gRPC stream that frames are written to. */
interface FrameSink<Frame> {
  /** @param done the peer has taken the frame, or never will. A stream of Node calls it, and a simulated one need not. */
  write(frame: Frame, done?: () => void): boolean;
  readonly writableLength?: number;
  once(event: 'drain', listener: () => void): unknown;
  /** Calls `flush` at the end of this turn. A simulated stream says itself when that is; for a real one `setImmediate` does. */
  readonly defer?: (flush: () => void) => void;
}

/**
 * Messages that wait for a peer which does not read. Beyond it the peer is as good as gone, and the stream is given up:
 * whoever owns it ends it, and the peer comes back and reconciles.
 */
const QUEUE_MAX = 200_000;

/** Frames on their way to a peer: the next one is made when the first has left. */
const UNREAD_FRAMES_MAX = 3;

/** For messages of very different sizes, such as rows: frames and the queue are bounded by weight too, not only by count. */
export interface FrameWeights<Message> {
  /** About how many bytes the message takes on the wire; asked twice for each. */
  readonly weigh: (message: Message) => number;
  /** A frame takes messages up to this weight, and always one. */
  readonly frameMax: number;
  /** Beyond it the stream is given up, as beyond the count of messages. */
  readonly queueMax: number;
  /** Shared by all streams of the process: beyond it the longest queue is given up. */
  readonly budget?: QueueBudget;
}

/** Queues messages and writes them as frames, in order, with the stream's own back-pressure. */
export class FrameWriter<Message, Frame> implements BudgetedQueue {
  readonly #sink: FrameSink<Frame>;
  readonly #defer: (flush: () => void) => void;
  readonly #toFrame: (messages: Message[]) => Frame;
  readonly #onOverflow: () => void;
  readonly #weights: FrameWeights<Message> | undefined;
  #queue: Message[] = [];
  #weight = 0;
  /** Of frames that the stream has taken and its peer has not. */
  #unread = 0;
  #unreadFrames = 0;
  #onRead: (() => void) | undefined;
  #scheduled = false;
  #blocked = false;
  #closed = false;

  constructor(
    sink: FrameSink<Frame>,
    toFrame: (messages: Message[]) => Frame,
    onOverflow: () => void,
    weights?: FrameWeights<Message>,
  ) {
    this.#sink = sink;
    this.#defer = sink.defer ?? setImmediate;
    this.#toFrame = toFrame;
    this.#onOverflow = onOverflow;
    this.#weights = weights;
  }

  /** Never throws; after `close` messages are dropped, as a broken stream would lose them (D9). */
  send(message: Message): void {
    this.add(message);
    if (!this.#scheduled && !this.#blocked && !this.#closed) {
      this.#scheduled = true;
      this.#defer(this.#flush);
    }
  }

  /** Goes with the next message that is sent, in front of it; `flushNow` is for when none comes. */
  add(message: Message): void {
    if (this.#closed) {
      return;
    }
    this.#queue.push(message);
    const weight = this.#weights?.weigh(message) ?? 0;
    this.#weight += weight;
    this.#weights?.budget?.changed(this, weight);
    if (this.#queue.length > QUEUE_MAX || this.#weight > (this.#weights?.queueMax ?? 0)) {
      this.giveUp();
    }
  }

  /** About how many bytes wait for the peer. */
  get weight(): number {
    return this.#weight + this.#unread;
  }

  /** Called each time that the peer has taken a frame. */
  whenRead(listener: () => void): void {
    this.#onRead = listener;
  }

  giveUp(): void {
    if (!this.#closed) {
      this.close();
      this.#onOverflow();
    }
  }

  /** Writes what is queued now: the last words before a stream ends. */
  flushNow(): void {
    this.#flush();
  }

  close(): void {
    const freed = this.weight;
    this.#closed = true;
    this.#queue = [];
    this.#weight = 0;
    this.#unread = 0;
    this.#weights?.budget?.changed(this, -freed);
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    while (this.#queue.length > 0 && !this.#blocked && !this.#closed) {
      const [count, weight] = this.#nextFrame();
      const messages = this.#queue.length <= count ? this.#queue : this.#queue.slice(0, count);
      this.#queue = messages === this.#queue ? [] : this.#queue.slice(count);
      this.#weight -= weight;
      if (this.#isCounted) {
        this.#unread += weight;
        this.#unreadFrames += 1;
        this.#blocked = this.#unreadFrames >= UNREAD_FRAMES_MAX;
        this.#sink.write(this.#toFrame(messages), () => this.#read(weight));
      } else if (this.#sink.write(this.#toFrame(messages))) {
        this.#weights?.budget?.changed(this, -weight);
      } else {
        this.#blocked = true;
        this.#unread = weight;
        this.#sink.once('drain', this.#onDrain);
      }
    }
  };

  /** A stream takes sixteen frames of any size before it says that it is full, which is far too much of those that nobody reads. */
  get #isCounted(): boolean {
    return this.#weights?.budget !== undefined && this.#sink.writableLength !== undefined;
  }

  #read(weight: number): void {
    if (this.#closed) {
      return;
    }
    this.#unread -= weight;
    this.#unreadFrames -= 1;
    this.#weights?.budget?.changed(this, -weight);
    if (this.#blocked) {
      this.#blocked = false;
      this.#flush();
    }
    this.#onRead?.();
  }

  /** How many of the queued messages go into the next frame, and their weight. */
  #nextFrame(): readonly [count: number, weight: number] {
    const countMax = Math.min(this.#queue.length, FRAME_MESSAGES_MAX);
    if (this.#weights === undefined) {
      return [countMax, 0];
    }
    const { weigh, frameMax } = this.#weights;
    let frameWeight = 0;
    let count = 0;
    for (const message of this.#queue) {
      const weight = weigh(message);
      if (count === countMax || (count > 0 && frameWeight + weight > frameMax)) {
        break;
      }
      frameWeight += weight;
      count++;
    }
    return [count, frameWeight];
  }

  readonly #onDrain = (): void => {
    const read = this.#unread;
    this.#unread = 0;
    this.#blocked = false;
    this.#weights?.budget?.changed(this, -read);
    this.#flush();
  };
}
