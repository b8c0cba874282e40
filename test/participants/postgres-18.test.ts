// The contract suite and PostgreSQL's own cases on PostgreSQL 18.
import { useEngine } from '../support/engines.ts';
import { postgresCases } from './postgres-cases.ts';
import { openPostgresHarness } from './postgres-harness.ts';
import { postgresNameCases } from './postgres-names.ts';
import { resourceManagerContract } from './resource-manager-contract.ts';

const engine = useEngine('postgresql-18');

resourceManagerContract('PostgreSQL 18', () => openPostgresHarness(engine.server));
postgresCases('PostgreSQL 18', () => engine.server);
postgresNameCases('PostgreSQL 18', () => engine.server);
