// The boundary of a branch on PostgreSQL 18: statements, roles, locks of readers, and what is left in sessions.
import { useEngine } from '../support/engines.ts';
import { postgresBoundaryCases } from './postgres-boundary-cases.ts';

const engine = useEngine('postgresql-18');

postgresBoundaryCases('PostgreSQL 18', () => engine.server);
