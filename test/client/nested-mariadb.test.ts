// Parts of a transaction on PostgreSQL and MariaDB.
import { useSystem } from '../e2e/system.ts';
import { nestedFacts } from './nested-facts.ts';

nestedFacts(useSystem('mariadb'));
