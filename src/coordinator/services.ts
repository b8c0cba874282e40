// The gRPC services of the coordinator: each method bound to the API that answers it, behind the same guard.
import { join } from 'node:path';
import type { Server } from '@grpc/grpc-js';
import type { AdminServiceHandlers } from '../gen/concordat/v1/AdminService.ts';
import type { CommitResponse } from '../gen/concordat/v1/CommitResponse.ts';
import type { GetLogStatusResponse } from '../gen/concordat/v1/GetLogStatusResponse.ts';
import type { ParticipantServiceHandlers } from '../gen/concordat/v1/ParticipantService.ts';
import type { RollbackResponse } from '../gen/concordat/v1/RollbackResponse.ts';
import type { TransactionServiceHandlers } from '../gen/concordat/v1/TransactionService.ts';
import type { Log } from '../log/log.ts';
import { wire } from '../wire/proto.ts';
import { PROTOCOL } from '../wire/protocol.ts';
import { toStatus } from '../wire/status.ts';
import { type UnaryParts, unary } from '../wire/unary.ts';
import { productVersion } from '../wire/version.ts';
import type { ApplicationApi, Reply } from './applications/application-api.ts';
import type { ClientSessions } from './applications/client-session.ts';
import type { Driver } from './driver/driver.ts';
import type { Registry } from './driver/registry.ts';
import { callerOfCall } from './edge/callers.ts';
import { invalid } from './edge/requests.ts';
import type { Alarm } from './identity/alarm.ts';
import type { LogCopy } from './identity/log-copy.ts';
import type { AdminApi } from './operators/admin-api.ts';
import { type AttachStream, type ParticipantParts, ParticipantSession } from './participants/session.ts';

export const SERVICE_NAMES = [
  'concordat.v1.TransactionService',
  'concordat.v1.ParticipantService',
  'concordat.v1.AdminService',
] as const;

interface ServicesParts extends UnaryParts {
  readonly application: ApplicationApi;
  readonly admin: AdminApi;
  readonly sessions: ClientSessions;
  readonly participants: ParticipantParts;
  readonly driver: Driver;
  readonly transactions: Registry;
  readonly copy: LogCopy;
  /** Where backups are made; undefined: the log takes the name as it is. */
  readonly backupDir: string | undefined;
  readonly alarms: () => readonly Alarm[];
  readonly log: Log;
  /** Starts the drain; answers how many transactions are open. */
  readonly drain: () => number;
}

export function addServices(server: Server, parts: ServicesParts): void {
  server.addService(wire.TransactionService.service, transactionHandlers(parts));
  server.addService(wire.ParticipantService.service, participantHandlers(parts));
  server.addService(wire.AdminService.service, adminHandlers(parts));
}

function transactionHandlers(parts: ServicesParts): TransactionServiceHandlers {
  const { application, sessions } = parts;
  return {
    Begin: unary(parts, (request, call) => application.begin(request, callerOfCall(call))),
    Enlist: unary(parts, (request, call) => application.enlist(request, callerOfCall(call))),
    Commit: unary(parts, (request, call) =>
      replied<CommitResponse>((reply) => application.commit(request, callerOfCall(call), reply)),
    ),
    Rollback: unary(parts, (request, call) =>
      replied<RollbackResponse>((reply) => application.rollback(request, callerOfCall(call), reply)),
    ),
    SetRollbackOnly: unary(parts, (request, call) => application.setRollbackOnly(request, callerOfCall(call))),
    GetTransaction: unary(parts, (request) => application.getTransaction(request)),
    Session: sessions.serve,
  };
}

function participantHandlers(parts: ServicesParts): ParticipantServiceHandlers {
  return {
    Attach: (stream: AttachStream) => {
      try {
        parts.participants.places.check();
      } catch (error) {
        stream.emit('error', toStatus(error));
        return;
      }
      new ParticipantSession(stream, parts.participants);
    },
  };
}

function adminHandlers(parts: ServicesParts): AdminServiceHandlers {
  const { admin, log } = parts;
  return {
    ListTransactions: unary(parts, (request) => admin.listTransactions(request)),
    GetTransaction: unary(parts, (request) => admin.getTransaction(request)),
    ListAudit: unary(parts, (request) => admin.listAudit(request)),
    ResolveTransaction: unary(parts, (request) => admin.resolveTransaction(request)),
    ForgetTransaction: unary(parts, (request) => admin.forgetTransaction(request)),
    RetryTransaction: unary(parts, (request) => admin.retryTransaction(request)),
    ListResources: unary(parts, (request) => admin.listResources(request)),
    ScanResource: unary(parts, (request) => admin.scanResource(request)),
    AcceptResource: unary(parts, (request) => admin.acceptResource(request)),
    ForgetResource: unary(parts, (request) => admin.forgetResource(request)),
    Drain: unary(parts, () => ({ inFlight: parts.drain() })),
    GetLogStatus: unary(parts, () => logStatus(parts)),
    AdoptLog: unary(parts, async (request) => {
      const answer = await admin.adoptLog(request);
      if (!request.dryRun) {
        parts.drain(); // The next start begins the life that was adopted.
      }
      return answer;
    }),
    BackupLog: unary(parts, async (request) => {
      const path = backupPath(parts.backupDir, request.path);
      const { bytes, lastSequence } = await log.backup(path);
      return { path, bytes, lastSequence };
    }),
  };
}

const BACKUP_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** Whoever asks for a backup chooses a name and no place: anywhere else it could be anybody's file. @throws {CoordinatorError} FIELD_INVALID */
function backupPath(directory: string | undefined, name: string): string {
  if (!BACKUP_NAME.test(name) || /\.(partial|high-water)$/.test(name)) {
    throw invalid(
      'path',
      'must be a plain file name of letters, digits, ".", "_" and "-": it is made in the backup directory of the coordinator',
    );
  }
  return directory === undefined ? name : join(directory, name);
}

function logStatus({ log, transactions, copy, alarms }: ServicesParts): GetLogStatusResponse {
  const { identity, epoch } = log.recovered;
  const { path, lastSequence, records, bytes, freeBytes, flushMicros, flushLane, forcedWrites } = log.status();
  return {
    logIdentity: identity,
    epoch,
    path,
    lastSequence,
    records,
    bytes,
    freeBytes,
    flushMicros: Math.round(flushMicros),
    flushLane,
    forcedWrites,
    unfinishedDecisions: transactions.all().filter(({ state }) => state.kind === 'committing').length,
    version: productVersion(),
    protocolVersion: PROTOCOL.protocolHighest,
    refusal: copy.refusal?.message ?? '',
    alarms: [...alarms()],
  };
}

/** A promise for an API that answers by callback. */
function replied<Response>(ask: (reply: Reply<Response>) => void): Promise<Response> {
  return new Promise((resolve, reject) => ask({ answer: resolve, refuse: reject }));
}
