// A process of its own that starts one server, says so, and waits to be killed: the parent in the test of orphans.
import { startMariadb, startPostgres } from '../../src/dev/engines/index.ts';

const [engine, directory] = process.argv.slice(2);
if (directory === undefined) {
  throw new Error('usage: start-engine.ts postgresql|mariadb <directory>');
}
const server =
  engine === 'mariadb' ? await startMariadb({ directory }) : await startPostgres({ version: 18, directory });
process.stdout.write(`${server.pid}\n`);
