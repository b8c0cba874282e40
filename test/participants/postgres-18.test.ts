// The contract suite on PostgreSQL 18.
import { openPostgresHarness } from './postgres-harness.ts';
import { resourceManagerContract } from './resource-manager-contract.ts';

resourceManagerContract('PostgreSQL 18', () => openPostgresHarness(18));
