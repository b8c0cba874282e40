// An application's own transactions inside of a global one, on connections to PostgreSQL and MariaDB.
import { useSystem } from '../e2e/system.ts';
import { nestingFacts } from './enlist-nesting-facts.ts';

nestingFacts(useSystem('mariadb'));
