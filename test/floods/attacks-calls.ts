// Attacks that keep to the protocol of calls: too many of them, too much in them, or too little.
import type { ClientHttp2Session } from 'node:http2';
import { gzipSync } from 'node:zlib';
import type { AttachRequest } from '../../src/gen/concordat/v1/AttachRequest.ts';
import type { SessionRequest } from '../../src/gen/concordat/v1/SessionRequest.ts';
import { messageType } from '../../src/wire/proto.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { field, framed } from '../coordinator/raw.ts';
import { type Attack, holdOn, open, repeat, send, type Target } from './target.ts';

const SESSION = 'TransactionService/Session';
const ATTACH = 'ParticipantService/Attach';
const FRAME = messageType<SessionRequest>('concordat.v1.SessionRequest');
const REPORT = messageType<AttachRequest>('concordat.v1.AttachRequest');
const BEGIN = messageType<object>('concordat.v1.BeginRequest');
const BACKUP = messageType<object>('concordat.v1.BackupLogRequest');

const EMPTY = Buffer.from([0x0a, 0]);
const MESSAGE_BYTES = 2 * 1024 * 1024 - 64;

function session(...messages: NonNullable<SessionRequest['messages']>): Uint8Array {
  return framed(FRAME.serialize({ messages }));
}

const GREETING = session({ id: 1, hello: { ...PROTOCOL, application: 'flood' } });

function report(...messages: NonNullable<AttachRequest['messages']>): Uint8Array {
  return framed(REPORT.serialize({ messages }));
}

function hello(resource: string, instance: string, text = ''): Uint8Array {
  return report({
    hello: {
      ...{ ...PROTOCOL, resource, instance, kind: 'PARTICIPANT_KIND_SIDECAR' },
      ...{
        engine: 'flood',
        engineVersion: '1',
        engineIdentity: `engine-of-${resource}${text}`,
        address: '127.0.0.1:1',
      },
    },
  });
}

/** Streams over as many connections as they need; each that ends is opened again. */
async function streams(target: Target, count: number, start: (on: ClientHttp2Session, n: number) => Promise<void>) {
  const connections = Array.from({ length: Math.ceil(count / 100) }, () => open(target));
  const keep = async (n: number): Promise<void> => {
    const connection = connections[Math.floor(n / 100)];
    while (!target.isOver() && connection !== undefined && !connection.destroyed) {
      await Promise.race([start(connection, n), holdOn(target)]);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await Promise.all(Array.from({ length: count }, (_, n) => keep(n)));
}

const repeated = (path: string, body: Uint8Array, headers: Record<string, string> = {}): Attack => {
  return async (target) => {
    const connections = Array.from({ length: 4 }, () => open(target));
    await repeat(target, Number.POSITIVE_INFINITY, (n) => {
      const connection = connections[n % connections.length];
      return connection === undefined ? Promise.resolve() : send(connection, path, body, { headers }).over;
    });
  };
};

const emptyList = (wrap: (list: Uint8Array) => Uint8Array, tag = 1): Uint8Array =>
  framed(wrap(Buffer.alloc(MESSAGE_BYTES).fill(Buffer.from([(tag << 3) | 2, 0]))));

/** A participant of its own resource that has said ready, and goes on with `more`. */
async function participant(target: Target, more: (n: number) => Uint8Array): Promise<void> {
  const { stream } = send(open(target), ATTACH, hello('flood', 'flood-1'), { isOpen: true });
  await new Promise((resolve) => stream.once('data', resolve));
  stream.write(report({ ready: { epoch: target.epoch } }));
  for (let n = 0; !target.isOver(); n += 1) {
    if (!stream.write(more(n))) {
      await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), holdOn(target)]);
    }
    await new Promise(setImmediate);
  }
}

const found = (target: Target, epoch: number, n: number): Uint8Array => {
  const branches = Array.from({ length: 500 }, (_, m) => ({
    gtrid: `${target.identity}.${epoch}.${(n * 500 + m).toString(36)}`,
    bqual: 'flood',
    evidence: { row: 'abcdefghijkm' },
  }));
  return report({ reconcile: { branches } });
};

export const CALL_ATTACKS: Readonly<Record<string, Attack>> = {
  'unary begins of a day': async (target) => {
    const connection = open(target);
    const body = framed(BEGIN.serialize({ timeoutMs: 86_400_000 }));
    await repeat(target, 12_000, () => send(connection, 'TransactionService/Begin', body).over);
  },
  'request ids': async (target) => {
    const connection = open(target);
    await repeat(target, 1_000_000, (n) => {
      const body = framed(
        messageType<object>('concordat.v1.SetRollbackOnlyRequest').serialize({ requestId: `r-${n}`, gtrid: 'x' }),
      );
      return send(connection, 'TransactionService/SetRollbackOnly', body).over;
    });
  },
  'silent sessions': (target) => streams(target, 1_100, (on) => send(on, SESSION, undefined, { isOpen: true }).over),
  'sessions that come and go': (target) => streams(target, 200, (on) => send(on, SESSION, GREETING).over),
  'attach streams with heartbeats only': (target) =>
    streams(target, 1_100, (on) => send(on, ATTACH, report({ heartbeat: {} }), { isOpen: true }).over),
  registrations: (target) =>
    streams(target, 200, (on, n) => {
      const name = `f-${n}-${Math.floor(Math.random() * 1e6).toString(36)}`;
      return send(on, ATTACH, hello(name, 'one', 'x'.repeat(300))).over;
    }),
  'empty messages in Session': repeated(
    SESSION,
    emptyList((list) => list),
  ),
  'empty messages in Attach': repeated(
    ATTACH,
    emptyList((list) => list),
  ),
  'empty branches in Commit': repeated(
    'TransactionService/Commit',
    emptyList((list) => list, 3),
  ),
  'messages of 2 MiB': repeated('TransactionService/Begin', framed(field(1_000, Buffer.alloc(MESSAGE_BYTES)))),
  'gzip bombs': repeated(
    'TransactionService/Begin',
    framed(gzipSync(field(1_000, Buffer.alloc(64 * 1024 * 1024))), 1),
    { 'grpc-encoding': 'gzip' },
  ),
  'headers of 60 KB': repeated('TransactionService/Begin', framed(EMPTY), { 'x-large': 'x'.repeat(60_000) }),
  listings: repeated('AdminService/ListTransactions', framed(Buffer.alloc(0))),
  backups: (target) => {
    const body = framed(BACKUP.serialize({ path: 'flood-backup' }));
    return repeated('AdminService/BackupLog', body)(target);
  },
  'half-sent calls': (target) =>
    streams(target, 2_000, (on) => send(on, 'TransactionService/Begin', Buffer.from([0, 0, 0]), { isOpen: true }).over),
  'answers that nobody reads': async (target) => {
    const asks = Array.from({ length: 40 }, (_, n) => ({ id: n + 1, getTransaction: { gtrid: 'none.1.1' } }));
    const body = session(...asks);
    const all = Array.from({ length: 12 }, async () => {
      const { stream } = send(open(target), SESSION, GREETING, { isOpen: true });
      stream.pause();
      while (!target.isOver()) {
        if (!stream.write(body)) {
          await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), holdOn(target)]);
        }
        await new Promise(setImmediate);
      }
    });
    await Promise.all(all);
  },
  'a directory that changes': async (target) => {
    const listeners = streams(target, 300, (on) => send(on, SESSION, GREETING, { isOpen: true }).over);
    const changes = streams(target, 20, async (on, n) => {
      const { stream, over } = send(on, ATTACH, hello(`d-${n}`, 'one'), { isOpen: true });
      stream.once('data', () => {
        stream.write(report({ ready: { epoch: target.epoch } }));
        setTimeout(() => stream.close(), 20);
      });
      await over;
    });
    await Promise.all([listeners, changes]);
  },
  'branches of a newer epoch': (target) => participant(target, (n) => found(target, target.epoch + 1, n)),
  'branches that no decision names': (target) => participant(target, (n) => found(target, target.epoch - 1, n)),
};
