// Ways out of a branch, and what its application may do to its locks and reports, on MySQL.
import { useEngine } from '../support/engines.ts';
import { mysqlEscapeCases } from './mysql-escape-cases.ts';
import { mysqlTamperCases } from './mysql-tamper-cases.ts';

const engine = useEngine('mysql');

mysqlEscapeCases('MySQL', () => engine.server);
mysqlTamperCases('MySQL', () => engine.server);
