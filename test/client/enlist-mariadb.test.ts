// An application's own connections to PostgreSQL and MariaDB in one transaction.
import { useSystem } from '../e2e/system.ts';
import { enlistFacts } from './enlist-facts.ts';

enlistFacts(useSystem('mariadb'));
