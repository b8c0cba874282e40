// The log on SQLite keeps the contract.
import { describeLogContract } from './contract.ts';
import { openSqliteBench } from './sqlite-bench.ts';

describeLogContract('the SQLite log', openSqliteBench);
