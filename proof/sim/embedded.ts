// A participant inside an application: its statements need no network, and it dies with the application.

import type { StatementCall } from '../../src/participants/runtime/branches/statement-call.ts';
import type { ParticipantRuntime } from '../../src/participants/runtime/runtime.ts';
import { toWireError } from '../../src/wire/status.ts';
import type { Xid } from '../../src/xa/xid.ts';
import type { Host } from './host.ts';
import { RemoteResourceManager } from './remote-rm.ts';
import { type Executed, openRuntime, type Site } from './site.ts';
import { EngineWire } from './wire-to-engine.ts';

export class Embedded {
  readonly #runtime: ParticipantRuntime;

  constructor(host: Host, { parts }: Site) {
    const rm = new RemoteResourceManager(new EngineWire(host, parts.address, parts.rates));
    this.#runtime = openRuntime(parts, host, 'embedded', rm);
  }

  get instance(): string {
    return this.#runtime.instance;
  }

  execute(call: StatementCall, answered: (executed: Executed) => void): void {
    const { instance } = this;
    this.#runtime.execute(call).then(
      (answer) => answered({ kind: 'done', answer, instance }),
      (error: unknown) => answered({ kind: 'refused', error: toWireError(error) }),
    );
  }

  prepare(xid: Xid): void {
    this.#runtime.prepare(xid);
  }
}
