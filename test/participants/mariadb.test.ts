// The contract suite and their own cases on MariaDB.
import { useEngine } from '../support/engines.ts';
import { mysqlBranchCases } from './mysql-branch-cases.ts';
import { mysqlEvidenceCases } from './mysql-evidence-cases.ts';
import { mysqlFinishCases } from './mysql-finish-cases.ts';
import { openMysqlHarness } from './mysql-harness.ts';
import { mysqlLeftoverCases } from './mysql-leftover-cases.ts';
import { mysqlServerCases } from './mysql-server-cases.ts';
import { mysqlSessionCases } from './mysql-session-cases.ts';
import { resourceManagerContract } from './resource-manager-contract.ts';

const engine = useEngine('mariadb');

resourceManagerContract('MariaDB', () => openMysqlHarness(engine.server));
mysqlBranchCases('MariaDB', () => engine.server);
mysqlFinishCases('MariaDB', () => engine.server);
mysqlEvidenceCases('MariaDB', () => engine.server);
mysqlSessionCases('MariaDB', () => engine.server);
mysqlLeftoverCases('MariaDB', () => engine.server);
mysqlServerCases('MariaDB', () => engine.server);
