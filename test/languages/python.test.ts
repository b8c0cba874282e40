// The Python examples on real databases: what a program without the TypeScript client writes, and what it does when something fails.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, useSystem } from '../e2e/system.ts';
import { runPython, usePython } from '../support/python.ts';

const FOLDER = resolve(import.meta.dirname, '../../examples/python');
const pair = useSystem('mariadb');
const python = usePython();

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function end(running: Promise<string>): Promise<Ended> {
  return running.then(
    (stdout) => ({ code: 0, stdout, stderr: '' }),
    (error: Ended) => ({ code: error.code, stdout: error.stdout, stderr: error.stderr }),
  );
}

const order = (...args: readonly string[]): Promise<Ended> =>
  end(runPython(python.python, [resolve(FOLDER, 'order.py'), pair.system.cluster.address, ...args]));

/** Lines of a program beside the examples; `coordinator` is there, and what they print comes back. */
const script = (...lines: readonly string[]): Promise<string> => {
  const begin = ['import client, sys', `coordinator = client.Coordinator("${pair.system.cluster.address}")`];
  const text = [...begin, ...lines, 'coordinator.close()'].join('\n');
  return runPython(python.python, ['-c', text], { env: { PYTHONPATH: pythonPath() } });
};

function pythonPath(): string {
  return [FOLDER, python.python.environment['PYTHONPATH']].filter((path) => path !== undefined).join(':');
}

async function forbidDebts(): Promise<void> {
  const accounts = new pg.Client({ connectionString: pair.accounts.server.url });
  await accounts.connect();
  try {
    await accounts.query('alter table customer add constraint no_debts check (deposit >= 0)');
  } finally {
    await accounts.end();
  }
}

async function books(): Promise<readonly [deposit: number, spent: number]> {
  const { deposit, spent } = await settled(pair.system);
  return [deposit, spent];
}

describe('order.py', () => {
  test('orders over PostgreSQL and MariaDB', async () => {
    const { code, stdout } = await order();
    expect(stdout).toMatch(/^order [0-9a-f-]{36} is placed and paid\n$/);
    expect(code).toBe(0);
    expect(await books()).toEqual([DEPOSIT - 25, 25]);
  });

  test('rolls both databases back when its own code raises', async () => {
    const { code, stderr } = await order('5000');
    expect(stderr).toBe('nothing happened: the deposit is too small\n');
    expect(code).toBe(1);
    expect(await books()).toEqual([DEPOSIT, 0]);
  });

  test('says what a database refused, and does not try again what cannot succeed', async () => {
    await forbidDebts();
    const { code, stderr } = await order('5000');
    expect(stderr).toMatch(/^nothing happened, it was refused: STATEMENT_FAILED: .*no_debts/);
    expect(code).toBe(1);
    expect(await books()).toEqual([DEPOSIT, 0]);
  });
});

describe('client.py', () => {
  test('reads the reason of a refusal out of the trailer, with what the database said', async () => {
    const said = await script(
      'try:',
      '    with coordinator.begin() as tx:',
      '        tx.query("accounts", "update nothing set x = 1")',
      'except client.Refused as error:',
      '    print(error.reason, error.metadata["sqlstate"], error.retryable)',
    );
    expect(said).toBe('STATEMENT_FAILED 42P01 False\n');
  });

  test('hears of a commit after the deadline that nothing is committed', async () => {
    const said = await script(
      'import time',
      'try:',
      '    with coordinator.begin(timeout_ms=300) as tx:',
      '        tx.query("accounts", "update customer set deposit = 0")',
      '        tx.query("orders", "insert into customer_order values (?, 1, 1000)", "late")',
      '        time.sleep(0.6)',
      'except client.RolledBack as error:',
      '    print(error.reason, error.metadata["outcome"], error.retryable)',
    );
    expect(said).toBe('TXN_TIMEOUT rolled-back True\n');
    expect(await books()).toEqual([DEPOSIT, 0]);
  });

  test('asks for a commit twice and hears one outcome; asked for its outcome, it is the same', async () => {
    const said = await script(
      'tx = coordinator.begin()',
      'tx.query("accounts", "update customer set deposit = deposit - 10")',
      'tx.query("orders", "insert into customer_order values (?, 1, 10)", "once")',
      'tx.commit()',
      'tx.commit()',
      'print(coordinator.outcome(tx.gtrid, tx.branches.values()))',
    );
    expect(said).toBe('COMMITTED\n');
    expect(await books()).toEqual([DEPOSIT - 10, 10]);
  });

  test('repeats a Begin under its request id over another connection, and begins one transaction', async () => {
    const said = await script(
      'from wire import transaction_pb2, transaction_pb2_grpc',
      'import grpc',
      'request = transaction_pb2.BeginRequest(request_id="the-same", timeout_ms=1000)',
      'first = client.call(coordinator.transactions.Begin, request, coordinator.caller).gtrid',
      `channel = grpc.insecure_channel("${pair.system.cluster.address}", (("grpc.use_local_subchannel_pool", 1),))`,
      'again = client.call(transaction_pb2_grpc.TransactionServiceStub(channel).Begin, request, coordinator.caller).gtrid',
      'channel.close()',
      'print(first == again)',
    );
    expect(said).toBe('True\n');
  });
});

describe('payments.py', () => {
  let payments: ChildProcess | undefined;
  let url = '';

  beforeAll(async () => {
    const { command, environment } = python.python;
    const [file, ...first] = command;
    const args = [...first, '-u', resolve(FOLDER, 'payments.py'), pair.system.cluster.address, '0'];
    payments = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...environment } });
    const { promise, resolve: heard, reject } = Promise.withResolvers<string>();
    payments.once('exit', () => reject(new Error('payments.py ended')));
    createInterface({ input: payments.stdout as NodeJS.ReadableStream }).once('line', heard);
    url = `http://127.0.0.1:${(await promise).replace('listening on ', '')}`;
  });

  afterAll(() => {
    payments?.removeAllListeners('exit');
    payments?.kill('SIGTERM');
  });

  const shop = (amount: string): Promise<Ended> => {
    const args = [resolve(FOLDER, 'shop.ts'), pair.system.cluster.address, url, amount];
    return end(promisify(execFile)(process.execPath, args, { timeout: 20_000 }).then(({ stdout }) => stdout));
  };

  test('joins the transaction of a service in Node, which commits both parts', async () => {
    expect(await shop('25')).toMatchObject({ code: 0, stdout: 'ordered in Node and paid in Python\n' });
    expect(await books()).toEqual([DEPOSIT - 25, 25]);
  });

  test('fails, and what Node did is rolled back with it', async () => {
    await forbidDebts();
    const { code, stderr } = await shop('5000');
    expect(code).toBe(1);
    expect(stderr).toMatch(/the payment failed: STATEMENT_FAILED: .*no_debts/);
    expect(await books()).toEqual([DEPOSIT, 0]);
  });

  test('refuses a context of another version', async () => {
    const headers = { 'concordat-context': '2;abc.1.2' };
    const answer = await fetch(`${url}/pay`, { method: 'POST', headers, body: '25' });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('not the context')]);
  });
});
