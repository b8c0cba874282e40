// The contract suite and PostgreSQL's own cases on PostgreSQL 15.
import { useEngine } from '../support/engines.ts';
import { postgresFenceCases } from './postgres-fence-cases.ts';
import { postgresFinishCases } from './postgres-finish-cases.ts';
import { openPostgresHarness } from './postgres-harness.ts';
import { postgresNameCases } from './postgres-names.ts';
import { postgresSessionCases } from './postgres-session-cases.ts';
import { postgresVoteCases } from './postgres-vote-cases.ts';
import { resourceManagerContract } from './resource-manager-contract.ts';

const engine = useEngine('postgresql-15');

resourceManagerContract('PostgreSQL 15', () => openPostgresHarness(engine.server));
postgresVoteCases('PostgreSQL 15', () => engine.server);
postgresFinishCases('PostgreSQL 15', () => engine.server);
postgresFenceCases('PostgreSQL 15', () => engine.server);
postgresSessionCases('PostgreSQL 15', () => engine.server);
postgresNameCases('PostgreSQL 15', () => engine.server);
