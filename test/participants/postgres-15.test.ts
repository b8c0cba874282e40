// The contract suite on PostgreSQL 15.
import { openPostgresHarness } from './postgres-harness.ts';
import { resourceManagerContract } from './resource-manager-contract.ts';

resourceManagerContract('PostgreSQL 15', () => openPostgresHarness(15));
