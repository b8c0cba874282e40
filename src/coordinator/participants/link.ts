// What the rest of the coordinator sees of an attached participant: commands that go out over its stream, questions that come back.
import type { CoordinatorMessage } from '../../gen/concordat/v1/CoordinatorMessage.ts';
import type { TokenResult__Output as TokenResult } from '../../gen/concordat/v1/TokenResult.ts';
import { toWireEvidence } from '../../wire/evidence.ts';
import type { CoordinatorError } from '../../xa/errors.ts';
import { REASON_CHARS_MAX } from '../../xa/limits.ts';
import type { Link, Probe, Scan, TokenAnswer } from '../calls/directory.ts';
import type { Introduction } from './hello.ts';
import { decodeProof, WIRE_VERB } from './messages.ts';
import type { PendingAnswers } from './pending-answers.ts';

interface LinkPorts {
  /** Monotonic milliseconds. */
  readonly attachedAt: number;
  readonly answers: PendingAnswers;
  readonly send: (message: CoordinatorMessage) => void;
  readonly refuse: (error: CoordinatorError) => void;
  readonly close: () => void;
}

export function openLink(introduction: Introduction, { attachedAt, answers, send, refuse, close }: LinkPorts): Link {
  const ask = async (question: (id: number) => CoordinatorMessage): Promise<TokenAnswer> => {
    const { token, error } = await answers.ask<TokenResult>((id) => send(question(id)));
    return error === null
      ? { kind: 'token', token }
      : { kind: 'failed', message: error.message.slice(0, REASON_CHARS_MAX) };
  };
  return {
    ...introduction,
    attachedAt,
    prepare: (gtrid, bqual) => send({ prepare: { gtrid, bqual } }),
    finish: (gtrid, bqual, verb, evidence, instance) =>
      send({
        finish: { gtrid, bqual, verb: WIRE_VERB[verb], evidence: toWireEvidence(evidence), instance: instance ?? '' },
      }),
    forget: (rows) => {
      const branches = rows.map(({ gtrid, bqual, opening }) => ({ gtrid, bqual, evidence: { row: opening } }));
      send({ forget: { branches } });
    },
    probe: async (gtrid, bqual, evidence): Promise<Probe> => {
      const { proof, blockedSessions } = await answers.ask<{ proof: string; blockedSessions: number }>((id) =>
        send({ probe: { id, gtrid, bqual, evidence: toWireEvidence(evidence) } }),
      );
      return { proof: decodeProof(proof), blockedSessions };
    },
    scan: () => answers.ask<Scan>((id) => send({ scan: { id } })),
    showToken: (token) => ask((id) => ({ showToken: { id, token } })),
    readToken: (instance) => ask((id) => ({ readToken: { id, instance } })),
    refuse,
    close,
  };
}
