// Another transaction manager, as a program that stays resident and answers `run CLIENTS SECONDS` with a line of JSON.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { ACCOUNTS, type Window } from '../contestant.ts';

export interface Peer extends AsyncDisposable {
  readonly pid: number;
  window(clients: number, seconds: number): Promise<Window>;
}

/** @throws {Error} it ended before it was ready; it says why on its standard error. */
export async function openPeer(
  command: string,
  servers: readonly [EngineServer, EngineServer],
  options: { readonly journal: string; readonly clients: number },
): Promise<Peer> {
  const child = spawn('/bin/sh', ['-c', `exec ${command}`], {
    env: {
      ...process.env,
      POSTGRES_URL: servers[0].url,
      SECOND_URL: jdbcUrl(servers[1]),
      JOURNAL_DIR: options.journal,
      ACCOUNTS: String(ACCOUNTS),
      POOL_SIZE: String(options.clients + 16),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ready = await lines.next();
  if (ready.value !== 'READY') {
    throw new Error(`the peer \`${command}\` said ${JSON.stringify(ready.value)} instead of READY`);
  }
  return {
    pid: child.pid ?? 0,
    async window(clients, seconds) {
      child.stdin.write(`run ${clients} ${seconds}\n`);
      return toWindow(String((await lines.next()).value));
    },
    async [Symbol.asyncDispose]() {
      await end(child, ended);
    },
  };
}

function toWindow(line: string): Window {
  const answer = JSON.parse(line);
  if (typeof answer.committed !== 'number') {
    throw new Error(`the peer answered ${line}`);
  }
  const { committed, failed, seconds, p50Ms, p99Ms } = answer;
  return { committed, failed, seconds, p50Ms, p99Ms, p999Ms: Number.NaN };
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.stdin?.end('exit\n');
  const impatience = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(impatience);
}

function jdbcUrl({ engine, url }: EngineServer): string {
  return engine === 'postgresql' ? url : url.replace(/^mysql:/, 'jdbc:mariadb:');
}
