// A PostgreSQL that refuses its sidecar: the coordinator hears why with the heartbeats, and with the answer to each call.
import { expect, it } from 'vitest';
import { useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { type AttachSession, startAttachCoordinator } from './attach-coordinator.ts';
import { rawQuery } from './postgres-harness.ts';
import { ref } from './runtime-fixture.ts';
import { Application, freshBranch, startSidecar } from './sidecar-fixture.ts';

const pg = useEngine('postgresql-18');

const trouble = (session: AttachSession) => session.heard('heartbeat').at(-1)?.trouble;

it('a role that may not log in any more is told as that, until it may; a commit has the reason (field P3, field P19)', async () => {
  const raw = (sql: string) => rawQuery(pg.server.url, sql);
  await raw('drop role if exists side');
  await raw("create role side login superuser password 'side'");
  await raw('create table if not exists trouble_rows (n int)');
  const url = new URL(pg.server.url);
  url.username = 'side';
  url.password = 'side';
  await using coordinator = await startAttachCoordinator();
  coordinator.heartbeatIntervalMs = 100;
  await using started = await startSidecar(coordinator, { url: url.href });
  await started.sidecar.ready;
  const session = await coordinator.attached();
  const xid = freshBranch(coordinator);
  {
    using application = new Application(started.sidecar.address);
    const sql = 'insert into trouble_rows values (1)';
    await application.execute({ ...ref(xid), sql, statement: 1, last: true });
  }
  const { evidence } = await session.hears('vote');
  await eventually('all is well', () => trouble(session) === null);

  await raw('alter role side nologin');
  await raw("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'side'");
  await eventually('it is told', () => trouble(session)?.sqlstate === '28000', 20_000);
  session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT', evidence } });
  expect(await session.hears('result')).toMatchObject({
    result: 'FINISH_RESULT_UNKNOWN',
    reason: { sqlstate: '28000', message: expect.stringContaining('side') },
  });
  expect(started.log.named('branch-not-ended')).toMatchObject([{ verb: 'commit', sqlstate: '28000' }]);

  await raw('alter role side login');
  await eventually('it is over', () => trouble(session) === null, 20_000);
  session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT', evidence } });
  expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE');
}, 60_000);
