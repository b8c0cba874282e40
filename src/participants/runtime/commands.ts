// The coordinator's commands, each to the one that carries it out, after a look at whether the branch is ours to touch.

import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import { unreachable } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import { formatXid, ownsGtrid, type ResourceName, resourceOf, type Xid } from '../../xa/xid.ts';
import type { Command, Welcome } from '../attach/command.ts';
import { resultMessage, toWireReason, voteMessage } from '../attach/report.ts';
import type { ResourceManager } from '../resource-manager.ts';
import type { Branches } from './branches/branches.ts';
import { Forgetter } from './forgetter.ts';
import { Inspector } from './inspector.ts';
import type { Tokens } from './tokens.ts';

interface CommandsOptions {
  /** This participant's own. */
  readonly instance: string;
  readonly resource: ResourceName;
  readonly rm: ResourceManager;
  readonly clock: Clock;
  readonly logger: EventLogger;
  readonly branches: Branches;
  readonly tokens: Tokens;
  readonly report: (message: ParticipantMessage) => void;
}

export class Commands {
  readonly #options: CommandsOptions;
  readonly forgetter: Forgetter;
  readonly #inspector: Inspector;

  constructor(options: CommandsOptions) {
    this.#options = options;
    this.forgetter = new Forgetter(options);
    this.#inspector = new Inspector(options);
  }

  receive(command: Command, welcome: Welcome): void {
    const { report, resource, logger, branches } = this.#options;
    if ('xid' in command && resourceOf(command.xid.bqual) !== resource) {
      // An answer would speak for another resource's branch, which is refused with the whole stream (faults B44).
      logger.error({ evt: 'command-of-other-resource', command: command.kind, branch: formatXid(command.xid) });
      return;
    }
    switch (command.kind) {
      case 'prepare':
        if (this.#isOurs(command.xid, welcome)) {
          branches.heard(command.xid, { kind: 'vote-wanted', by: 'coordinator' });
        } else {
          report(voteMessage(command.xid, { kind: 'rollback', reason: notOwner(command.xid) }));
        }
        return;
      case 'finish': {
        const { xid, verb, evidence, instance } = command;
        if (this.#isOurs(xid, welcome)) {
          branches.heard(xid, { kind: 'finish-wanted', verb, evidence, holder: this.#holder(instance) });
        } else {
          report(resultMessage(xid, verb, evidence, { kind: 'not-yet', reason: notOwner(xid) }));
        }
        return;
      }
      case 'forget':
        this.forgetter.receive(command.rows.filter((row) => this.#isOurs(row, welcome)));
        return;
      case 'scan':
        void this.#inspector.scan(command.id, welcome.identity);
        return;
      case 'show-token':
        void this.#options.tokens.show(command.id, command.token);
        return;
      case 'read-token':
        void this.#options.tokens.read(command.id, command.instance);
        return;
      case 'probe': {
        const { id, xid, evidence } = command;
        if (this.#isOurs(xid, welcome)) {
          void this.#inspector.probe(id, xid, evidence);
        } else {
          report({ probeResult: { id, error: toWireReason(notOwner(xid)) } });
        }
        return;
      }
      case 'welcome':
      case 'heartbeat':
      case 'refused':
      case 'admitted':
      case 'malformed':
        return; // The attach stream keeps these for itself.
      default:
        unreachable(command);
    }
  }

  #holder(instance: string): 'this' | 'another' | 'not-known' {
    return instance === '' ? 'not-known' : instance === this.#options.instance ? 'this' : 'another';
  }

  /** D8: a branch of another log or another resource is never touched, whoever asks. */
  #isOurs(xid: Xid, welcome: Welcome): boolean {
    return resourceOf(xid.bqual) === this.#options.resource && ownsGtrid(welcome.identity, xid.gtrid);
  }
}

function notOwner(xid: Xid): Reason {
  return { code: 'NOT_OWNER', message: `${formatXid(xid)} belongs to another log`, retryable: false };
}
