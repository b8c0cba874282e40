// The contract suite and their own cases on MySQL.
import { useEngine } from '../support/engines.ts';
import { mysqlBranchCases } from './mysql-branch-cases.ts';
import { mysqlEvidenceCases } from './mysql-evidence-cases.ts';
import { mysqlFinishCases } from './mysql-finish-cases.ts';
import { openMysqlHarness } from './mysql-harness.ts';
import { mysqlLeftoverCases } from './mysql-leftover-cases.ts';
import { mysqlServerCases } from './mysql-server-cases.ts';
import { mysqlSessionCases } from './mysql-session-cases.ts';
import { resourceManagerContract } from './resource-manager-contract.ts';

// Who waits for whom is told by performance_schema.
const engine = useEngine('mysql', { settings: { 'performance-schema': 'ON' } });

resourceManagerContract('MySQL', () => openMysqlHarness(engine.server));
mysqlBranchCases('MySQL', () => engine.server);
mysqlFinishCases('MySQL', () => engine.server);
mysqlEvidenceCases('MySQL', () => engine.server);
mysqlSessionCases('MySQL', () => engine.server);
mysqlLeftoverCases('MySQL', () => engine.server);
mysqlServerCases('MySQL', () => engine.server);
