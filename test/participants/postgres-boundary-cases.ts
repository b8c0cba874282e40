// What branches at PostgreSQL may do and what they leave to others: all of it, for one version of the server.
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { postgresDisguiseCases } from './postgres-disguise-cases.ts';
import { postgresReaderCases } from './postgres-reader-cases.ts';
import { postgresRemainsCases } from './postgres-remains-cases.ts';
import { postgresRoleCases } from './postgres-role-cases.ts';
import { postgresStatementCases } from './postgres-statement-cases.ts';

/** One block of tests for each subject. */
export function postgresBoundaryCases(name: string, server: () => EngineServer): void {
  postgresStatementCases(name, server);
  postgresRoleCases(name, server);
  postgresReaderCases(name, server);
  postgresRemainsCases(name, server);
  postgresDisguiseCases(name, server);
}
