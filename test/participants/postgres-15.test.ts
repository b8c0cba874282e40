// The contract suite and PostgreSQL's own cases on PostgreSQL 15.
import { useEngine } from '../support/engines.ts';
import { postgresCases } from './postgres-cases.ts';
import { openPostgresHarness } from './postgres-harness.ts';
import { postgresNameCases } from './postgres-names.ts';
import { resourceManagerContract } from './resource-manager-contract.ts';

const engine = useEngine('postgresql-15');

resourceManagerContract('PostgreSQL 15', () => openPostgresHarness(engine.server));
postgresCases('PostgreSQL 15', () => engine.server);
postgresNameCases('PostgreSQL 15', () => engine.server);
