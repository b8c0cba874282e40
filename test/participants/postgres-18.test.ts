// The contract suite and PostgreSQL's own cases on PostgreSQL 18.
import { useEngine } from '../support/engines.ts';
import { postgresFenceCases } from './postgres-fence-cases.ts';
import { postgresFinishCases } from './postgres-finish-cases.ts';
import { openPostgresHarness } from './postgres-harness.ts';
import { postgresNameCases } from './postgres-names.ts';
import { postgresSessionCases } from './postgres-session-cases.ts';
import { postgresVoteCases } from './postgres-vote-cases.ts';
import { resourceManagerContract } from './resource-manager-contract.ts';

const engine = useEngine('postgresql-18');

resourceManagerContract('PostgreSQL 18', () => openPostgresHarness(engine.server));
postgresVoteCases('PostgreSQL 18', () => engine.server);
postgresFinishCases('PostgreSQL 18', () => engine.server);
postgresFenceCases('PostgreSQL 18', () => engine.server);
postgresSessionCases('PostgreSQL 18', () => engine.server);
postgresNameCases('PostgreSQL 18', () => engine.server);
