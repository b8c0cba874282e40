// One attached participant: greets, checks, carries calls to it and brings its answers in. It takes part from `ready` on.

import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { AttachHello__Output as AttachHello } from '../../gen/concordat/v1/AttachHello.ts';
import type { AttachRequest__Output as AttachRequest } from '../../gen/concordat/v1/AttachRequest.ts';
import type { AttachResponse } from '../../gen/concordat/v1/AttachResponse.ts';
import type { CoordinatorMessage } from '../../gen/concordat/v1/CoordinatorMessage.ts';
import type { ParticipantMessage__Output as ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import type { Ready__Output as Ready } from '../../gen/concordat/v1/Ready.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import { Pulse } from '../../lib/pulse.ts';
import type { Log } from '../../log/log.ts';
import { FrameWriter } from '../../wire/frames.ts';
import { checkMetadata } from '../../wire/metadata.ts';
import { agreedProtocol } from '../../wire/protocol.ts';
import { checkFrame, noHello } from '../../wire/request.ts';
import { logged, toCoordinatorError, toStatus, toWireError } from '../../wire/status.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { HELLO_MAX_MS } from '../../xa/limits.ts';
import { HEARTBEAT_MS, RECONCILE_MS } from '../../xa/times.ts';
import type { Directory, Link } from '../calls/directory.ts';
import { TO_PARTICIPANT } from '../edge/frame-weights.ts';
import type { Guest, Places } from '../edge/places.ts';
import { decodeLogs } from '../identity/known-logs.ts';
import type { LogCopy } from '../identity/log-copy.ts';
import type { OtherLogs } from '../identity/other-logs.ts';
import type { Witness } from '../identity/witness.ts';
import type { Reports } from '../reports/reports.ts';
import { receiveBranchMessage, receiveHeld } from './branch-messages.ts';
import { heardOfEngine } from './engine-trouble.ts';
import { checkLife, decodeHello } from './hello.ts';
import { openLink } from './link.ts';
import { PendingAnswers } from './pending-answers.ts';
import type { Phase } from './phase.ts';

export interface ParticipantParts {
  readonly places: Places<ParticipantSession>;
  readonly directory: Directory;
  readonly witness: Witness;
  readonly copy: LogCopy;
  readonly others: OtherLogs;
  readonly reports: Reports;
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: EventLogger;
}

export type AttachStream = ServerDuplexStream<AttachRequest, AttachResponse>;

export class ParticipantSession implements Guest {
  readonly #stream: AttachStream;
  readonly #parts: ParticipantParts;
  readonly #out: FrameWriter<CoordinatorMessage, AttachResponse>;
  readonly #answers: PendingAnswers;
  #phase: Phase = { kind: 'greeting' };
  readonly #greeting: Timer;
  readonly #pulse: Pulse;

  constructor(stream: AttachStream, parts: ParticipantParts) {
    this.#stream = stream;
    this.#parts = parts;
    this.#out = new FrameWriter(
      stream,
      (messages) => ({ messages }),
      () => this.#end(),
      TO_PARTICIPANT,
    );
    this.#answers = new PendingAnswers(parts.clock);
    this.#pulse = new Pulse({
      clock: parts.clock,
      intervalMs: HEARTBEAT_MS,
      beat: () => this.#out.send({ heartbeat: {} }),
      onSilence: () => this.#end(),
    });
    this.#greeting = parts.clock.after(HELLO_MAX_MS, () =>
      this.#refuse(new CoordinatorError('PROTOCOL', noHello('participant'))),
    );
    stream.on('data', (frame: AttachRequest) => this.#receive(frame));
    stream.on('end', () => this.#end());
    stream.on('cancelled', () => this.#end());
    stream.on('error', () => this.#end());
    parts.places.enter(this);
    try {
      checkMetadata(stream.metadata);
    } catch (error) {
      this.evict(toCoordinatorError(error));
    }
  }

  evict(error: CoordinatorError): void {
    this.#stream.emit('error', toStatus(error));
    this.#end();
  }

  #receive(frame: AttachRequest): void {
    this.#pulse.heard();
    if (this.#hasEnded()) {
      return;
    }
    try {
      checkFrame(frame, frame.messages);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    for (const message of frame.messages) {
      if (this.#hasEnded()) {
        return;
      }
      try {
        this.#dispatch(message);
      } catch (error) {
        this.#refuse(error);
        return;
      }
    }
  }

  #hasEnded(): boolean {
    return this.#phase.kind === 'ended';
  }

  #dispatch(message: ParticipantMessage): void {
    const phase = this.#phase;
    if (message.heartbeat) {
      heardOfEngine(this.#parts, phase.kind === 'attached' ? phase.link : undefined, message.heartbeat.trouble);
      return;
    }
    if (message.hello) {
      if (phase.kind !== 'greeting') {
        throw new CoordinatorError('PROTOCOL', 'a participant says hello once, as its first message');
      }
      this.#greet(message.hello);
    } else if (phase.kind === 'readying' && message.ready) {
      this.#ready(phase, message.ready);
    } else if ((phase.kind === 'attached' || phase.kind === 'comparing') && message.ready) {
      this.#checkLife(phase.link, message.ready);
    } else if (phase.kind === 'attached') {
      receiveBranchMessage({ ...this.#parts, answers: this.#answers }, message, phase.link);
    } else if (phase.kind === 'greeting') {
      throw new CoordinatorError('PROTOCOL', 'the first message of a participant must be hello');
    }
    // Before `ready` nothing else counts: it is repeated by reconciliation, or asked for again (D9).
  }

  #greet(hello: AttachHello): void {
    this.#parts.places.seat(this);
    this.#greeting.cancel();
    const { directory, log, logger } = this.#parts;
    const link = openLink(decodeHello(hello), {
      attachedAt: this.#parts.clock.now(),
      answers: this.#answers,
      send: (message) => this.#out.send(message),
      refuse: (error) => this.#refuse(error, link),
      close: () => {
        this.#out.flushNow();
        this.#end();
      },
    });
    const { resource, engine, engineIdentity } = link;
    try {
      directory.check(resource, engineIdentity);
    } catch (error) {
      this.#refuse(error, link);
      return;
    }
    const logs = decodeLogs(hello.logs);
    this.#parts.copy.judge(link, logs);
    this.#parts.others.check(resource, logs);
    this.#parts.others.introduced(resource, logs);
    if (directory.isRegistered(resource)) {
      this.#welcome(hello, link);
      return;
    }
    directory.checkRoom(resource);
    // Taken before the record is durable: of two engines that come at once only one gets the name, and the log hears of no other.
    directory.register(resource, engine, engineIdentity);
    this.#phase = { kind: 'registering' };
    log.append([{ kind: 'resource-registered', resource, engine, engineIdentity }], 'forced').then(
      () => {
        logger.info({ evt: 'resource-registered', resource, engine, engineIdentity });
        this.#welcome(hello, link);
      },
      (error: unknown) => this.#refuse(error, link),
    );
  }

  #welcome(hello: AttachHello, link: Link): void {
    if (this.#phase.kind === 'ended') {
      return;
    }
    const { identity, epoch, token } = this.#parts.log.recovered;
    this.#phase = { kind: 'readying', hello, link };
    this.#out.send({
      welcome: {
        protocol: agreedProtocol('participant', hello),
        logIdentity: identity,
        epoch,
        heartbeatIntervalMs: HEARTBEAT_MS,
        reconcileIntervalMs: RECONCILE_MS,
        lifeToken: token,
      },
    });
  }

  #ready({ link, hello }: Extract<Phase, { kind: 'readying' }>, ready: Ready): void {
    this.#checkLife(link, ready);
    const admitted = this.#parts.witness.admit(link, ready.shownToken);
    if (admitted === undefined) {
      this.#attach(hello, link);
      return;
    }
    this.#phase = { kind: 'comparing', link };
    admitted.then(() => this.#attach(hello, link)).catch((error: unknown) => this.#refuse(error, link));
  }

  /** @throws {CoordinatorError} EPOCH_STALE, EPOCH_LEAP */
  #checkLife(link: Link, ready: Ready): void {
    const { log, copy } = this.#parts;
    const served = checkLife(link, ready, log.recovered);
    if (served !== undefined) {
      throw copy.refuse(link.resource, served);
    }
  }

  #attach(hello: AttachHello, link: Link): void {
    const { directory, reports, logger } = this.#parts;
    if (this.#phase.kind === 'ended') {
      return;
    }
    this.#phase = { kind: 'attached', link };
    this.#out.send({ admitted: {} });
    directory.attach(link);
    const { resource, instance, kind } = link;
    logger.info({ evt: 'participant-attached', resource, instance, kind });
    for (const branch of hello.held) {
      receiveHeld(this.#parts, branch, link);
    }
    reports.attached(link);
  }

  /** @param link who is refused, where that is known. */
  #refuse(error: unknown, link?: Link): void {
    if (this.#phase.kind === 'ended') {
      return;
    }
    const { directory, clock, logger } = this.#parts;
    const refused = logged(logger, 'Attach', error);
    logger.error({ evt: 'participant-refused', code: refused.code, message: refused.message });
    if (link !== undefined && refused.code === 'RESOURCE_IDENTITY') {
      directory.noteRefused({ link, at: clock.now(), message: refused.message });
    }
    this.#out.send({ refused: toWireError(refused) });
    this.#out.flushNow();
    this.#end();
  }

  #end(): void {
    const phase = this.#phase;
    if (phase.kind === 'ended') {
      return;
    }
    this.#phase = { kind: 'ended' };
    this.#greeting.cancel();
    this.#pulse.stop();
    this.#out.close();
    this.#stream.end();
    this.#parts.places.leave(this);
    this.#answers.close();
    if (phase.kind === 'attached') {
      const { resource, instance } = phase.link;
      this.#parts.directory.detach(phase.link, this.#parts.clock.now());
      this.#parts.logger.info({ evt: 'participant-detached', resource, instance });
      this.#parts.reports.detached(phase.link);
    }
  }
}
