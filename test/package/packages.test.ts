// The two packages, as somebody gets them who installs them: packed, put into empty projects, type-checked, bundled, and run on a playground.
import { chmod, mkdtemp, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type Started, start } from '../support/started.ts';
import { bytesOf, emptyProject, node22, npm, pack, ROOT, readJson, run, write } from './empty-project.ts';

const BUNDLER = join('node_modules', '.bin', 'esbuild');
const CLIENT_BYTES_MAX = 15_000_000;
/** As package.json says: the oldest of each range. */
const OLDEST_DRIVERS = ['pg@8.21.0', 'mysql2@3.20.0'];
const INSTALL_MS = 240_000;

// Compilers, bundlers and whole programs, beside another worker.
vi.setConfig({ testTimeout: 240_000 });

let shop: string;
let server: string;
let temporary: string;
let playground: Started;
let address: string;
let older: string;

/** Where the client alone was installed, before anything else was. */
let bare: { readonly bytes: number; readonly packages: readonly string[]; readonly loads: readonly string[] };

beforeAll(async () => {
  const [serverFile, clientFile] = [await pack('.'), await pack('packages/client')];
  older = await node22();
  [shop, server] = await Promise.all([emptyProject(), emptyProject()]);
  await Promise.all([npm(['install', clientFile], shop), npm(['install', serverFile], server)]);
  await write(shop, { 'load.mjs': LOAD_BOTH });
  bare = {
    bytes: await bytesOf(join(shop, 'node_modules')),
    packages: await readdir(join(shop, 'node_modules')),
    loads: [await run(older, ['load.mjs'], shop), await run(process.execPath, ['load.mjs'], shop)],
  };
  const tools = ['typescript@5.4', '@types/node@22', '@types/pg@8', 'esbuild@0.28.2'];
  await npm(['install', ...OLDEST_DRIVERS, ...tools], shop);
  temporary = await mkdtemp(join(inject('runDirectory'), 'tmp-'));
  await chmod(temporary, 0o777);
  playground = start('npx', ['concordat', 'dev', '--listen', '127.0.0.1:0'], server, { TMPDIR: temporary });
  void playground.ended.then(() => undefined);
  address = await eventually(
    'the playground is up',
    () => /coordinator {2}(\S+)[\s\S]*recovers\n/.exec(playground.output())?.[1] ?? false,
    INSTALL_MS,
  ).catch((error) => {
    throw new Error(playground.output(), { cause: error });
  });
}, 2 * INSTALL_MS);

afterAll(async () => {
  playground?.signal('SIGTERM');
  await playground?.ended;
});

/** One module, however it is loaded: an error that the one made is an instance for the other. */
const LOAD_BOTH = `
import { createRequire } from 'node:module';
import * as imported from 'concordat-client';
const required = createRequire(import.meta.url)('concordat-client');
console.log(required.connect === imported.connect && required.ConcordatError === imported.ConcordatError);
`;

describe('the client alone', () => {
  test('is less than 15 MB with all that it needs, and brings no driver', () => {
    expect(bare.bytes).toBeLessThan(CLIENT_BYTES_MAX);
    expect(bare.packages).not.toContain('pg');
    expect(bare.packages).not.toContain('mysql2');
  });

  test('loads by import and by require, on Node 22 and here, as one module', () => {
    expect(bare.loads).toEqual(['true\n', 'true\n']);
  });

  test('has source maps that hold their sources', async () => {
    const folder = join(shop, 'node_modules', 'concordat-client', 'dist');
    const names = await readdir(folder, { recursive: true });
    const code = names.filter((name) => name.endsWith('.js'));
    expect(code.length).toBeGreaterThan(50);
    for (const name of code) {
      const map = (await readJson(join(folder, `${name}.map`))) as { sources: string[]; sourcesContent: string[] };
      expect(map.sourcesContent?.length, name).toBe(map.sources.length);
    }
  });

  test('is of the same version, and asks for the drivers and libraries that the tests run with', async () => {
    const whole = (await readJson(join(ROOT, 'package.json'))) as Manifest;
    const client = (await readJson(join(ROOT, 'packages/client/package.json'))) as Manifest;
    expect(client.version).toBe(whole.version);
    for (const [name, range] of Object.entries(client.dependencies)) {
      expect(range, name).toBe(`^${whole.dependencies[name]}`);
    }
    expect(Object.keys(client.peerDependencies ?? {})).toEqual(['mysql2', 'pg']);
    for (const oldest of OLDEST_DRIVERS) {
      const [name = '', version = ''] = oldest.split('@');
      expect(client.peerDependencies?.[name]?.split(' ')[0]).toBe(`>=${version}`);
    }
  });
});

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const TYPED = `
import { type Concordat, ConcordatError, connect, type QueryResult, type Transaction } from 'concordat-client';

export async function pay(concordat: Concordat, amount: number): Promise<number> {
  const result: QueryResult = await concordat.transaction((tx: Transaction) =>
    tx.resource('accounts').query('update customer set deposit = deposit - $1 where id = 1', [amount]),
  );
  return result.rows.length;
}

export async function main(): Promise<void> {
  const concordat = await connect('localhost:7420', { application: 'shop' });
  try {
    await pay(concordat, 1);
  } catch (error) {
    if (!(error instanceof ConcordatError)) {
      throw error;
    }
    const failed: ConcordatError = error;
    console.error(failed.message);
  } finally {
    await concordat.close();
  }
}
`;

describe('types', () => {
  const OPTIONS = ['--strict', '--skipLibCheck', 'false', '--noEmit', '--target', 'es2022', '--types', 'node'];
  const compilers = [
    { compiler: 'TypeScript 5.4', path: () => join(shop, 'node_modules', 'typescript', 'bin', 'tsc') },
    { compiler: 'the newest TypeScript', path: () => join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc') },
  ];
  const forms = [
    {
      form: 'ES modules and CommonJS under nodenext',
      files: ['typed.mts', 'typed.cts'],
      options: ['--module', 'nodenext'],
    },
    { form: 'a bundler', files: ['typed.ts'], options: ['--module', 'esnext', '--moduleResolution', 'bundler'] },
  ];
  test.each(compilers.flatMap((compiler) => forms.map((form) => ({ ...compiler, ...form }))))(
    'hold for $form with $compiler, libraries checked',
    async ({ path, files, options }) => {
      await write(shop, Object.fromEntries(files.map((file) => [file, TYPED])));
      expect(await run(process.execPath, [path(), ...OPTIONS, ...options, ...files], shop)).toBe('');
    },
  );

  test('are compared: a wrong parameter does not compile', async () => {
    await write(shop, { 'wrong.cts': TYPED.replace("'localhost:7420'", '7420') });
    const path = join(shop, 'node_modules', 'typescript', 'bin', 'tsc');
    const compiled = run(process.execPath, [path, ...OPTIONS, '--module', 'nodenext', 'wrong.cts'], shop);
    await expect(compiled).rejects.toThrow(/wrong\.cts\(\d+,\d+\): error TS2345/);
  });
});

/** Takes one from the customer, on whichever Node. */
const order = (load: string): string => `
${load}
(async () => {
  const concordat = await connect(process.argv[2]);
  const gtrid = await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('update customer set deposit = deposit - $1 where id = $2', [1, 1]);
    await tx.resource('orders').query('insert into customer_order (customer_id, amount) values (1, 1)');
    return tx.gtrid;
  });
  console.log(await concordat.outcome(gtrid));
  await concordat.close();
})();
`;

describe('on the playground of `npx concordat dev`', () => {
  const nodes = [
    { node: 'Node 22', path: () => older },
    { node: 'this Node', path: () => process.execPath },
  ];

  describe.each(nodes)('$node', ({ path }) => {
    test.each([
      { how: 'imported', file: 'order.mjs', load: "import { connect } from 'concordat-client';" },
      { how: 'required', file: 'order.cjs', load: "const { connect } = require('concordat-client');" },
    ])('commits with the client $how', async ({ file, load }) => {
      await write(shop, { [file]: order(load) });
      expect(await run(path(), [file, address], shop)).toMatch(/committed/);
    });

    test.each(['esm', 'cjs'])('commits with the client bundled by esbuild as %s', async (format) => {
      await write(shop, { 'to-bundle.mjs': order("import { connect } from 'concordat-client';") });
      const bundle = join(
        await mkdtemp(join(inject('runDirectory'), 'bundle-')),
        `bundle.${format === 'esm' ? 'm' : 'c'}js`,
      );
      const options = ['--bundle', '--platform=node', `--format=${format}`, '--external:pg', '--external:mysql2'];
      // What grpc-js requires is CommonJS, which an ES module of Node has no `require` for.
      const banner = "--banner:js=import{createRequire as make}from'node:module';const require=make(import.meta.url);";
      const all = [...options, ...(format === 'esm' ? [banner] : []), '--log-level=error', `--outfile=${bundle}`];
      await run(join(shop, BUNDLER), ['to-bundle.mjs', ...all], shop);
      expect(await run(path(), [bundle, address], dirname(bundle))).toMatch(/committed/);
    });

    test('commits on connections of the oldest pg and mysql2 that it takes', async () => {
      const [, accounts = '', orders = ''] = /accounts {5}(\S+)\n {2}orders {7}(\S+)/.exec(playground.output()) ?? [];
      await write(shop, { 'lend.mjs': LEND });
      expect(await run(path(), ['lend.mjs', address, accounts, orders], shop)).toMatch(/committed/);
    });
  });

  test('the ten lines of the README commit as they stand there', async () => {
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
    const lines = /```ts\n(import [\s\S]*?)```/.exec(readme)?.[1] ?? '';
    expect(lines).toContain('localhost:7420');
    const here = lines.replace('localhost:7420', address);
    const before = await deposit();
    // As TypeScript writes it for Node 22, which has no `await using`; and as it is.
    await write(shop, { 'ten-lines.mts': here });
    const compiler = join(shop, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = [
      '--strict',
      '--skipLibCheck',
      'false',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--types',
      'node',
    ];
    await run(process.execPath, [compiler, ...options, '--lib', 'es2022,esnext.disposable', 'ten-lines.mts'], shop);
    await run(older, ['ten-lines.mjs'], shop);
    await write(shop, { 'ten-lines.mjs': here });
    await run(process.execPath, ['ten-lines.mjs'], shop);
    expect(before - (await deposit())).toBe(200);
  });

  test('the line of the last screen commits, and the next one shows it', async () => {
    const [, line = '', look = ''] =
      /in another terminal:\n {2}(.+)\n.+\n {2}npx (concordat .+)\n/.exec(playground.output()) ?? [];
    const [file = '', ...args] = line.split(' ');
    const output = await run(file, args, server);
    const gtrid = /^(\S+): OUTCOME_COMMITTED\n$/.exec(output)?.[1] ?? '';
    const shown = await run('npx', look.replace('<id>', gtrid).split(' '), server);
    expect(shown).toContain('committed');
  });

  test('Ctrl-C ends it in order, and leaves nothing', async () => {
    playground.signal('SIGINT');
    await playground.ended;
    expect(playground.output()).toMatch(/Stopping\.\n$/);
    expect((await readdir(temporary)).filter((name) => name.startsWith('concordat'))).toEqual([]);
  });
});

async function deposit(): Promise<number> {
  await write(shop, { 'deposit.mjs': DEPOSIT });
  return Number(await run(process.execPath, ['deposit.mjs', address], shop));
}

const DEPOSIT = `
import { connect } from 'concordat-client';
const concordat = await connect(process.argv[2]);
const { rows } = await concordat.transaction((tx) => tx.resource('accounts').query('select deposit from customer where id = 1'));
console.log(String(rows[0].deposit));
await concordat.close();
`;

const LEND = `
import { connect } from 'concordat-client';
import mysql from 'mysql2/promise';
import pg from 'pg';
const [address, accountsUrl, ordersUrl] = process.argv.slice(2);
const accounts = new pg.Client({ connectionString: accountsUrl });
await accounts.connect();
const orders = await mysql.createConnection({ uri: ordersUrl });
const concordat = await connect(address);
await concordat.transaction(async (tx) => {
  await tx.enlist('accounts', accounts);
  await tx.enlist('orders', orders);
  await accounts.query('update customer set deposit = deposit - $1 where id = $2', [1, 1]);
  await orders.query('insert into customer_order (customer_id, amount) values (?, ?)', [1, 1]);
});
console.log('committed');
await concordat.close();
await accounts.end();
await orders.end();
`;

describe('the package of the server', () => {
  test('holds what its README points to', async () => {
    const folder = join(server, 'node_modules', 'concordat');
    const readme = await readFile(join(folder, 'README.md'), 'utf8');
    const links = [...readme.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, link = '']) => link);
    expect(links.length).toBeGreaterThan(10);
    const names = new Set(await readdir(folder, { recursive: true }));
    const dangling = links.filter((link) => !link.startsWith('https://') && !names.has(link.replace(/\/$/, '')));
    expect(dangling).toEqual([]);
  });

  test('links of both packages to the repository lead to a file of it', async () => {
    const texts = [
      join(ROOT, 'README.md'),
      join(ROOT, 'packages/client/README.md'),
      join(ROOT, 'packages/client/package.json'),
    ];
    const { repository } = (await readJson(join(ROOT, 'package.json'))) as { repository: { url: string } };
    const home = repository.url.replace(/^git\+(.*)\.git$/, '$1');
    for (const file of texts) {
      const text = await readFile(file, 'utf8');
      for (const [, path = ''] of text.matchAll(new RegExp(`${home}/blob/main/([\\w./-]+)`, 'g'))) {
        await expect(readFile(join(ROOT, path)), path).resolves.toBeDefined();
      }
    }
  });

  test('holds the compiled program, and neither sources nor tests of ours', async () => {
    const names = await readdir(join(server, 'node_modules', 'concordat'), { recursive: true });
    expect(names).toContain(join('dist', 'cli', 'main.js'));
    expect(names.filter((name) => /^(src|test|proof|bench)\//.test(name))).toEqual([]);
  });

  test('has types for the tests of applications, libraries checked', async () => {
    await write(server, { 'testing.mts': TESTING });
    // The newest: @types/node, which comes with the package's own dependencies, is for it.
    const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['--strict', '--skipLibCheck', 'false', '--noEmit', '--module', 'nodenext', '--types', 'node'];
    expect(await run(process.execPath, [compiler, ...options, 'testing.mts'], server)).toBe('');
  });
});

const TESTING = `
import { startTesting, type TestConcordat } from 'concordat/testing';
export const started: Promise<TestConcordat> = startTesting({ databases: { accounts: 'postgresql' } });
`;
