// Pools of pg and of mysql2 in a transaction, with MariaDB.
import { useSystem } from '../e2e/system.ts';
import { poolFacts } from './pool-facts.ts';

poolFacts(useSystem('mariadb'));
