// compose.yaml and the image, as far as that shows without a container: what the files say, and the same commands run on this machine.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { coordinatorConfigSchema } from '../../src/coordinator/config.ts';
import { freePort } from '../../src/dev/engines/port.ts';
import { Program } from '../../src/dev/program.ts';
import { participantConfigSchema } from '../../src/participants/sidecar/config.ts';
import { useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { ROOT } from './empty-project.ts';

const execute = promisify(execFile);
const compose = await readFile(join(ROOT, 'compose.yaml'), 'utf8');
const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');

const SIDECARS = ['accounts', 'orders'];
const PROGRAMS = ['coordinator', ...SIDECARS, 'shop'];

/** The lines of a service, with those that it takes over. */
function service(name: string): string {
  const own = new RegExp(`^  ${name}:\n((?:    .*\n| *\n)*)`, 'm').exec(compose)?.[1] ?? '';
  const shared = own.includes('<<: *program')
    ? (/^x-program: &program\n((?: {2}.*\n)*)/m.exec(compose)?.[1] ?? '')
    : '';
  return own + shared;
}

/** A list of words in one line, as JSON. */
function words(text: string, key: string): readonly string[] {
  return JSON.parse(new RegExp(`^ *${key}:? (\\[.*\\])$`, 'm').exec(text)?.[1] ?? '[]') as string[];
}

const optionOf = (list: readonly string[], flag: string): string => list[list.indexOf(flag) + 1] ?? '';

describe('compose.yaml', () => {
  test.each(PROGRAMS)('%s comes back after a drain, which has more time than it takes', (name) => {
    const text = service(name);
    expect(text).toContain('restart: unless-stopped');
    const graceMs = Number(/stop_grace_period: (\d+)s/.exec(text)?.[1]) * 1_000;
    const coordinator = coordinatorConfigSchema.parse({}).drainGraceMs;
    const sidecar = participantConfigSchema.parse({ resource: 'a', url: 'mysql://h/d' }).drainGraceMs;
    expect(graceMs).toBeGreaterThan(Math.max(coordinator, sidecar));
  });

  test.each(SIDECARS)(
    'the address that %s tells is published on this machine, and one for the services, too',
    (name) => {
      const command = words(service(name), 'command');
      const port = optionOf(command, '--listen').replace('0.0.0.0:', '');
      expect(optionOf(command, '--advertise')).toBe(`localhost:${port}`);
      expect(service('place')).toContain(`"127.0.0.1:${port}:${port}"`);
      expect(service(name)).toContain('network_mode: service:place');
      expect(service('shop')).toContain('network_mode: service:place');
    },
  );

  test('no password stands in it: they are files', async () => {
    expect(compose).not.toMatch(/PASSWORD:|CONCORDAT_DATABASE_URL:|:\/\/\w+:/);
    const files = [...compose.matchAll(/\{ file: (\S+) \}/g)].map(([, file = '']) => file);
    expect(files).toHaveLength(4);
    for (const file of [...files, ...[...compose.matchAll(/"(\.\/compose\/[^:]+):/g)].map(([, path = '']) => path)]) {
      await expect(readFile(join(ROOT, file)), file).resolves.toBeDefined();
    }
  });
});

describe('the image', () => {
  const stage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));

  test('runs without rights, and its health check starts no Node', () => {
    expect(stage).toMatch(/^USER [1-9]\d*$/m);
    const check = /^HEALTHCHECK .*CMD (\[.*\])$/m.exec(stage)?.[1];
    expect(check).toBe('["/opt/concordat/bin/ready"]');
  });

  test('copies what is there and what its context lets through', async () => {
    const ignored = (await readFile(join(ROOT, '.dockerignore'), 'utf8')).split('\n');
    expect(ignored[0]).toBe('**');
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, list = '']) => list.split(' '));
    expect(copied.length).toBeGreaterThan(8);
    for (const path of copied) {
      expect(ignored).toContain(`!${path}`);
      expect(await readdir(join(ROOT, path, '..'))).toContain(path.split('/').at(-1));
    }
  });
});

describe('the same commands on this machine', () => {
  const postgres = useEngine('postgresql-18');
  const mariadb = useEngine('mariadb', { fresh: true });
  const programs: Program[] = [];
  let coordinator = '';
  let admin = '';
  let shop = '';

  /** A sidecar with its command, on a free port, its secret a file that everybody can read, as Compose mounts it. */
  async function sidecar(name: string, url: string, folder: string): Promise<void> {
    const port = await freePort();
    const [command = '', ...args] = words(service(name), 'command').map((word) =>
      word.replace(/^(0\.0\.0\.0|localhost):\d+$/, `$1:${port}`),
    );
    const file = join(folder, `${name}.url`);
    await writeFile(file, `${url}\n`, { mode: 0o644 });
    const env = { CONCORDAT_DATABASE_URL_FILE: file, CONCORDAT_ALLOW_READABLE_SECRETS: 'true' };
    expect(compose).toContain('CONCORDAT_ALLOW_READABLE_SECRETS: "true"');
    const program = Program.start({ args: [command, ...args, '--coordinator', coordinator], env });
    programs.push(program);
    await program.event('attached');
  }

  beforeAll(async () => {
    const folder = await mkdtemp(join(inject('runDirectory'), 'compose-'));
    const client = new Client({ connectionString: postgres.server.url });
    await client.connect();
    await client.query(await readFile(join(ROOT, 'compose/accounts.sql'), 'utf8'));
    await client.end();
    const connection = await createConnection({ uri: mariadb.server.url, multipleStatements: true });
    const sql = await readFile(join(ROOT, 'compose/orders.sql'), 'utf8');
    await connection.query(sql.replace('use shop;', ''));
    await connection.end();

    const [grpc, http] = [await freePort(), await freePort()];
    const places: Readonly<Record<string, string>> = {
      '/var/lib/concordat': join(folder, 'log'),
      '0.0.0.0:7420': `0.0.0.0:${grpc}`,
      '0.0.0.0:7421': `0.0.0.0:${http}`,
    };
    const args = words(dockerfile, 'CMD').map((word) => places[word] ?? word);
    const program = Program.start({ args });
    programs.push(program);
    await program.event('serving');
    [coordinator, admin] = [`localhost:${grpc}`, `127.0.0.1:${http}`];
    await sidecar('accounts', postgres.server.url, folder);
    await sidecar('orders', mariadb.server.url, folder);

    // In the image they lie side by side.
    const place = join(ROOT, 'examples');
    const text = await readFile(join(ROOT, 'compose/shop.mjs'), 'utf8');
    const script = join(folder, 'shop.mjs');
    await writeFile(script, text.replace("'./unary-client.mjs'", JSON.stringify(join(place, 'unary-client.mjs'))));
    const port = await freePort();
    shop = `http://127.0.0.1:${port}`;
    programs.push(Program.start({ script, args: [coordinator, String(port)] }));
    await eventually('the shop listens', () =>
      fetch(shop).then(
        () => true,
        () => false,
      ),
    );
  });

  afterAll(async () => {
    for (const program of programs.reverse()) {
      await program.stop();
    }
  });

  test('the shop places an order', async () => {
    const response = await fetch(`${shop}/orders`, { method: 'POST' });
    expect([response.status, await response.text()]).toEqual([201, expect.stringMatching(/ OUTCOME_COMMITTED\n$/)]);
  });

  test('an example outside of the containers places one, too', async () => {
    const { stdout } = await execute(process.execPath, [join(ROOT, 'examples/order.ts'), coordinator]);
    expect(stdout).toContain('is placed and paid');
  });

  test('the health check tells a coordinator that is ready from one that has gone, and a drain ends it with 0', async () => {
    const ready = (): Promise<boolean> =>
      execute(join(ROOT, 'bin/ready'), [admin]).then(
        () => true,
        () => false,
      );
    expect(await ready()).toBe(true);
    const [program] = programs;
    program?.signal('SIGTERM');
    expect(await program?.ended).toBe(0);
    expect(await ready()).toBe(false);
  });
});
