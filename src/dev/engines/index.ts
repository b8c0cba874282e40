// Database servers for `concordat dev` and the tests: real ones, started from nothing, without root.
export type { EngineName, EngineOptions, EngineServer } from './engine-server.ts';
export { startMariadb } from './mariadb.ts';
export { startMysql } from './mysql.ts';
export { type PostgresServerOptions, startPostgres } from './postgres.ts';
export { EngineUnavailableError } from './unavailable.ts';
