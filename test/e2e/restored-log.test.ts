// The documented backup and restore of the log, as an operator does it, on real databases: what was decided after the backup is never
// rolled back, at none of five starts, until a person settles it. And the other accident: an empty directory instead of the log.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { Program } from '../../src/dev/program.ts';
import { balanced, DEPOSIT, Shop } from '../../src/dev/shop.ts';
import { runCli } from '../cli/run-cli.ts';
import { serverDirectory, useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';

const accounts = useEngine('postgresql-18');
const orders = useEngine('mariadb');
const running: Program[] = [];

function start(args: readonly string[], failpoints = ''): Program {
  const program = Program.start({ args, env: { CONCORDAT_FAILPOINTS: failpoints } });
  running.push(program);
  return program;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.kill()));
});

let root = '';
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

it('a log that was lost: five starts of its backup are refused, an empty directory too, and a person settles what is lacking (field R5 P11, faults F40)', async () => {
  root = await serverDirectory('mariadb');
  const data = join(root, 'log');
  const backups = join(root, 'backups');
  let address = '127.0.0.1:0';
  const coordinator = async (failpoints = '', ...more: readonly string[]): Promise<Program> => {
    const ports = ['--listen', address, '--admin-listen', '127.0.0.1:0', '--backup-dir', backups];
    const program = start(['coordinator', '--data-dir', data, ...ports, ...more], failpoints);
    const line = await Promise.race([program.event('serving'), program.event('not-serving')]);
    address = String(line['address']);
    return program;
  };
  const ask = (...args: readonly string[]) => runCli([...args, '--coordinator', address]);
  const status = async () => {
    const { exit, stderr } = await ask('status');
    return { exit, stderr };
  };
  const attached = () =>
    eventually(
      'both databases are attached',
      async () => ((await ask('resource', 'list', '--output', 'json')).stdout.match(/"instance"/g)?.length ?? 0) === 2,
      30_000,
    );

  let now = await coordinator();
  for (const [resource, { url }] of [
    ['accounts', accounts.server],
    ['orders', orders.server],
  ] as const) {
    start(['participant', '--resource', resource, '--url', url, '--coordinator', address]);
  }
  const shop = new Shop(accounts.server, orders.server);
  await shop.open();
  await attached();
  expect((await ask('log', 'backup', 'before')).exit).toBe(0);
  await now.stop();

  // A transfer is decided in a later life, and nobody is told any more: the disk is lost with it.
  now = await coordinator('decision-durable=crash');
  await attached();
  {
    await using concordat = await connect(address);
    const transfer = concordat.transaction(async (tx) => {
      await tx.resource('accounts').query('update customer set deposit = deposit - $1 where id = 1', [10]);
      await tx.resource('orders').query("insert into customer_order values ('o1', 1, ?)", [10]);
    });
    const crashed = now.ended;
    await expect(transfer).rejects.toThrow();
    await crashed;
  }
  const decided = await shop.prepared();
  expect([decided.accounts.length, decided.orders.length]).toEqual([1, 1]);
  const gtrid = decided.accounts[0]?.split(':')[1] ?? '';
  const identity = gtrid.split('.')[0] ?? '';
  await rm(data, { recursive: true });

  // An empty directory is not taken for a first start, and once it was said to be one, what was left is an alarm.
  now = await coordinator();
  await now.event('participant-refused', (line) => line['code'] === 'RESOURCE_KNOWS_OTHER_LOG');
  expect((await status()).exit).toBe(4);
  expect((await status()).stderr).toContain(`--beside-logs ${identity}`);
  await now.stop();
  now = await coordinator('', '--beside-logs', identity);
  await attached();
  const checked = await ask('resource', 'check', 'orders');
  expect(checked.stdout).toContain(gtrid);
  await eventually(
    'the status says so',
    async () => (await status()).stderr.split('OTHER_LOG_BRANCHES').length === 3,
    40_000,
  );
  expect((await status()).exit).toBe(7);
  expect((await ask('doctor')).exit).not.toBe(0);
  expect((await ask('resource', 'check', 'accounts')).exit).toBe(4);
  await now.stop();
  await rm(data, { recursive: true });

  // The documented restore.
  const backup = join(backups, 'before');
  expect((await runCli(['log', 'verify', '--data-dir', backup])).exit).toBe(0);
  const restored = await runCli(['log', 'restore', backup, '--data-dir', data]);
  expect(restored).toMatchObject({ exit: 0, stderr: '' });
  expect(restored.stdout).toContain('A restored log is an old log');
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    now = await coordinator();
    await now.event('participant-refused', (line) => line['code'] === 'EPOCH_STALE');
    const { exit, stderr } = await status();
    expect([exit, stderr.includes('concordat log adopt')]).toEqual([9, true]);
    expect(await shop.prepared()).toEqual(decided);
    await now.stop();
  }
  now = await coordinator();
  const look = await eventually(
    'both databases have told',
    async () => {
      const { stdout } = await ask('log', 'adopt', '--dry-run');
      return stdout.includes('has not said') ? undefined : stdout;
    },
    30_000,
  );
  expect(look.split(gtrid)).toHaveLength(3);
  const adopted = await ask('log', 'adopt', '--yes', '--reason', 'the disk of the test is lost');
  expect([adopted.exit, adopted.stderr]).toEqual([0, '']);
  expect(await now.ended).toBe(0);

  now = await coordinator();
  await attached();
  await eventually(
    'both branches are listed',
    async () => (await status()).stderr.split('QUARANTINED').length === 3,
    30_000,
  );
  expect((await status()).exit).toBe(7);
  expect(await shop.prepared()).toEqual(decided);
  expect((await ask('tx', 'explain', gtrid)).stdout).toContain('--commit|--rollback');
  const settled = await ask(
    'tx',
    'resolve',
    gtrid,
    '--commit',
    '--yes',
    '--reason',
    'the customer has seen the receipt',
  );
  expect([settled.exit, settled.stderr]).toEqual([0, '']);
  await eventually('nothing is prepared any more', async () => {
    const left = await shop.prepared();
    return left.accounts.length + left.orders.length === 0;
  });
  const books = await shop.books();
  expect(books).toMatchObject({ deposit: DEPOSIT - 10, orders: 1 });
  expect(balanced(books)).toBe(true);
  await eventually('all is well', async () => (await status()).exit === 0);
}, 300_000);
