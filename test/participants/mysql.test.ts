// MySQL keeps the contract of a resource manager.
import { describe } from 'vitest';
import { useEngine } from '../support/engines.ts';
import { openMysqlHarness } from './mysql-harness.ts';
import { resourceManagerContract } from './resource-manager-contract.ts';

describe('MySQL', () => {
  const engine = useEngine('mysql');
  resourceManagerContract('MySQL', () => openMysqlHarness(engine.server));
});
