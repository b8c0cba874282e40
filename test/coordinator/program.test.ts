// The coordinator as a real process: its exit codes, its signals, what it needs, and how fast it is back.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { coordinatorConfigSchema } from '../../src/coordinator/config.ts';
import { runCoordinator } from '../../src/coordinator/main.ts';
import { Program } from '../../src/dev/program.ts';
import type { BranchRef } from '../../src/gen/concordat/v1/BranchRef.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import { type Bqual, formatGtrid, type ResourceName } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { EventList } from './fixture.ts';
import { type ParticipantSettings, ScriptedParticipant, silent } from './scripted-participant.ts';
import { TestSession } from './test-session.ts';
import { type Api, openApi, refusal } from './unary.ts';

let directory = '';
let closing: AsyncDisposableStack;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'concordat-tests-coordinator-'));
  closing = new AsyncDisposableStack();
});
afterEach(async () => {
  await closing[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

interface Served {
  readonly program: Program;
  readonly address: string;
  readonly api: Api;
}

async function serve(...flags: readonly string[]): Promise<Served> {
  const listen = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
  const program = closing.use(Program.start({ args: ['coordinator', '--data-dir', directory, ...listen, ...flags] }));
  const address = String((await program.event('serving'))['address']);
  const api = openApi(address);
  closing.defer(() => api.close());
  return { program, address, api };
}

async function participant(
  served: Served,
  resource: string,
  settings?: ParticipantSettings,
): Promise<ScriptedParticipant> {
  const one = closing.use(new ScriptedParticipant(served.address, resource, settings));
  await served.program.event('participant-attached', (line) => line['instance'] === one.instance);
  return one.beat(500);
}

/** A transaction with a branch at each of them. */
async function transaction(
  { api }: Served,
  ...at: readonly ScriptedParticipant[]
): Promise<{ gtrid: string; branches: BranchRef[] }> {
  const { gtrid } = await api.begin({});
  for (const { resource } of at) {
    await api.enlist({ gtrid, resource });
  }
  return { gtrid, branches: at.map(({ resource: bqual, instance }) => ({ bqual, instance })) };
}

async function rssMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

describe('SIGTERM', () => {
  it('drains: what is open may end, then the exit code is 0 and the log is closed (faults F13)', async () => {
    const served = await serve();
    const [accounts, orders] = [await participant(served, 'accounts'), await participant(served, 'orders')];
    const { gtrid } = await transaction(served, accounts, orders);
    served.program.signal('SIGTERM');
    await served.program.event('draining');
    expect((await refusal(served.api.begin({}))).code).toBe('DRAINING');
    expect((await served.api.commit({ gtrid })).outcome).toBe('OUTCOME_COMMITTED');
    expect(await served.program.ended).toBe(0);
    const again = await serve();
    const branches = [{ bqual: 'accounts' }, { bqual: 'orders' }];
    expect((await again.api.commit({ gtrid, branches })).outcome).toBe('OUTCOME_COMMITTED');
    expect((await again.api.list({})).transactions).toEqual([]);
  });

  it('a second time stops at once, with 0, and what was decided is finished by the next life', async () => {
    const served = await serve('--drain-grace-ms', '600000');
    const accounts = await participant(served, 'accounts');
    const orders = await participant(served, 'orders', { finish: silent });
    const { gtrid } = await transaction(served, accounts, orders);
    await served.api.commit({ gtrid, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    served.program.signal('SIGTERM');
    await served.program.event('draining');
    served.program.signal('SIGTERM');
    expect(await served.program.ended).toBe(0);
    const again = await serve();
    await participant(again, 'accounts');
    const back = await participant(again, 'orders');
    await back.hears('finish');
    expect(back.told).toEqual(['commit orders']);
  });
});

describe('an operator’s Drain', () => {
  it('ends the process like SIGTERM', async () => {
    const { api, program } = await serve();
    expect(await api.drain({})).toEqual({ inFlight: 0 });
    expect(await program.ended).toBe(0);
  });
});

describe('a log that cannot be written', () => {
  it('a directory that is deleted under it: the caller hears UNKNOWN, the exit code is 12, and what was written is not there (faults F43)', async () => {
    const served = await serve();
    const accounts = await participant(served, 'accounts');
    const orders = await participant(served, 'orders');
    const { gtrid } = await transaction(served, accounts, orders);
    await rm(directory, { recursive: true });
    expect((await refusal(served.api.commit({ gtrid }))).code).toBe('OUTCOME_UNKNOWN');
    expect(accounts.told).toEqual([]);
    expect(await served.program.ended).toBe(12);
    expect(served.program.lastWords).toContain('is gone or was replaced');
  });

  it('the caller hears UNKNOWN, the exit code is 12, and the next life reads the truth (faults F26 F30)', async () => {
    const served = await serve();
    const [accounts, orders] = [await participant(served, 'accounts'), await participant(served, 'orders')];
    const { gtrid, branches } = await transaction(served, accounts, orders);
    const session = closing.use(new TestSession(served.address));
    await session.ask({ hello: { ...PROTOCOL } });
    const streamed = session.gtrid();
    session.send({ id: session.id(), begin: { gtrid: streamed } });
    // Somebody else holds the database: every flush fails from now on.
    const stranger = new Database(join(directory, 'log.db'));
    closing.defer(() => void stranger.close());
    stranger.exec('BEGIN IMMEDIATE');
    const [unary, { error }] = await Promise.all([
      refusal(served.api.commit({ gtrid })),
      session.ask({ commit: { gtrid: streamed, branches } }),
    ]);
    expect(unary).toMatchObject({ status: 2, code: 'OUTCOME_UNKNOWN', metadata: { gtrid } });
    expect(error).toMatchObject({ reason: 'OUTCOME_UNKNOWN', metadata: { gtrid: streamed } });
    expect(await served.program.ended).toBe(12);
    expect([...accounts.told, ...orders.told]).toEqual([]);
    stranger.close();
    const again = await serve();
    // Until a database is there the log may be an old copy, and its silence proves nothing.
    expect((await again.api.getTransaction({ gtrid, branches })).transaction?.outcome).toBe('OUTCOME_UNKNOWN');
    await participant(again, 'accounts');
    expect((await again.api.getTransaction({ gtrid, branches })).transaction?.outcome).toBe('OUTCOME_ROLLED_BACK');
  });
});

describe('a start that fails', () => {
  it('leaves nothing behind: no port, no lock', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    closing.defer(() => void taken.close());
    const busy = taken.address();
    const port = typeof busy === 'object' ? busy?.port : 0;
    const events = new EventList();
    const run = (adminListen: string) =>
      runCoordinator(coordinatorConfigSchema.parse({ dataDir: directory, listen: '127.0.0.1:0', adminListen }), {
        ...{ clock: systemClock, random: systemRandom, logger: events },
      });
    await expect(run(`127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const served = String(events.named('serving')[0]?.['address']);
    const api = openApi(served);
    expect((await refusal(api.health({ service: '' }))).status).toBe(14);
    api.close();
    await using program = await run('127.0.0.1:0');
    expect((await fetch(`http://${program.adminAddress}/readyz`)).status).toBe(200);
  });
});

describe('/readyz?verbose', () => {
  it('has a line for each database: whether it answers, since when not, and why', async () => {
    const events = new EventList();
    const config = coordinatorConfigSchema.parse({
      dataDir: directory,
      listen: '127.0.0.1:0',
      adminListen: '127.0.0.1:0',
    });
    const program = await runCoordinator(config, { clock: systemClock, random: systemRandom, logger: events });
    closing.use(program);
    const accounts = closing.use(new ScriptedParticipant(program.address, 'accounts')).beat(500);
    const orders = closing.use(new ScriptedParticipant(program.address, 'orders'));
    await eventually('both are attached', () => events.named('participant-attached').length === 2);
    const ready = async (): Promise<[number, string]> => {
      const answer = await fetch(`http://${program.adminAddress}/readyz?verbose`);
      return [answer.status, await answer.text()];
    };
    expect(await ready()).toEqual([200, '[+] coordinator: serves\n[+] accounts: answers\n[+] orders: answers\nok\n']);
    const trouble = { code: 'ENGINE_UNAVAILABLE', message: 'connect ECONNREFUSED 10.0.0.7:3306', retryable: true };
    // Again and again, so that it is not taken for dead.
    const beating = setInterval(() => orders.send({ heartbeat: { trouble } }), 500);
    closing.defer(() => clearInterval(beating));
    accounts.cut();
    await eventually('accounts is away, and orders refused', async () => {
      const [status, text] = await ready();
      return (
        status === 200 &&
        /\[-\] accounts: not known: no participant is attached for \d+ s\n/.test(text) &&
        /\[-\] orders: does not answer for \d+ s: ENGINE_UNAVAILABLE: connect ECONNREFUSED/.test(text)
      );
    });
    const plain = await fetch(`http://${program.adminAddress}/readyz`);
    expect([plain.status, await plain.text()]).toEqual([200, 'ok\n']);
  });
});

describe('ten thousand', () => {
  it('open transactions of two branches each fit in 512 MB (conformance I-5)', async () => {
    const served = await serve();
    const [accounts, orders] = [await participant(served, 'accounts'), await participant(served, 'orders')];
    const session = closing.use(new TestSession(served.address));
    await session.ask({ hello: { ...PROTOCOL } });
    for (let lease = 0; lease < 10; lease += 1) {
      if (lease > 0) {
        await session.ask({ lease: {} });
      }
      const all = Array.from({ length: 1_000 }, () => session.gtrid());
      for (let first = 0; first < all.length; first += 100) {
        const some = all.slice(first, first + 100);
        session.send(...some.map((gtrid) => ({ id: session.id(), begin: { gtrid, timeoutMs: 600_000 } })));
        for (const one of [accounts, orders]) {
          one.send(...some.map((gtrid) => ({ opened: { gtrid, bqual: one.resource } })));
        }
      }
    }
    const last = session.gtrid().replace(/[^.]+$/, (9_999).toString(36));
    await eventually('the last is open at both', async () => {
      const { transaction: info } = await served.api
        .getTransaction({ gtrid: last })
        .catch(() => ({ transaction: null }));
      return info?.branches.length === 2;
    });
    expect((await refusal(served.api.begin({}))).code).toBe('LIMIT_TRANSACTIONS');
    expect(await rssMegabytes(served.program.pid)).toBeLessThan(512);
  });

  it('unfinished decisions: it serves Begin within seconds, and clears them within fifteen (faults F89)', async () => {
    const log = await openSqliteLog({ directory, clock: systemClock, random: systemRandom, version: 'test' });
    const { identity, epoch } = log.recovered;
    const records: LogRecord[] = ['accounts', 'orders'].map((resource) => ({
      kind: 'resource-registered',
      resource: resource as ResourceName,
      engine: 'memory',
      engineIdentity: `engine-of-${resource}`,
    }));
    for (let sequence = 0; sequence < 10_000; sequence += 1) {
      const branches = ['accounts', 'orders'].map((bqual) => ({ bqual: bqual as Bqual, evidence: NO_EVIDENCE }));
      records.push({ kind: 'decided', gtrid: formatGtrid({ identity, epoch, sequence }), branches, requestId: '' });
    }
    for (let first = 0; first < records.length; first += 1_000) {
      await log.append(records.slice(first, first + 1_000), 'forced');
    }
    await log[Symbol.asyncDispose]();
    const started = performance.now();
    const served = await serve();
    await served.api.begin({});
    const serving = performance.now() - started;
    expect((await served.api.logStatus({})).unfinishedDecisions).toBe('10000');
    await Promise.all([participant(served, 'accounts'), participant(served, 'orders')]);
    const attached = performance.now();
    await eventually(
      'all are finished',
      async () => (await served.api.logStatus({})).unfinishedDecisions === '0',
      30_000,
    );
    const clearing = performance.now() - attached;
    // The goal on a quiet machine is 2 s; a busy one needs as long just to start Node.
    expect(serving).toBeLessThan(8_000);
    expect(clearing).toBeLessThan(15_000);
  });
});
