// The boundary of a branch on PostgreSQL 15: statements, roles, locks of readers, and what is left in sessions.
import { useEngine } from '../support/engines.ts';
import { postgresBoundaryCases } from './postgres-boundary-cases.ts';

const engine = useEngine('postgresql-15');

postgresBoundaryCases('PostgreSQL 15', () => engine.server);
