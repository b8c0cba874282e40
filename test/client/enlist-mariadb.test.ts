// An application's own connections to PostgreSQL and MariaDB in one transaction.
import { useSystem } from '../e2e/system.ts';
import { boundConnectionFacts, enlistFacts } from './enlist-facts.ts';

const pair = useSystem('mariadb');
boundConnectionFacts(pair);
enlistFacts(pair);
