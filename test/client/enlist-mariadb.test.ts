// An application's own connections to PostgreSQL and MariaDB in one transaction.
import { useSystem } from '../e2e/system.ts';
import { enlistFacts } from './enlist-facts.ts';
import { boundConnectionFacts, freeConnectionFacts } from './enlist-prepared-facts.ts';

const pair = useSystem('mariadb');
boundConnectionFacts(pair);
freeConnectionFacts(pair);
enlistFacts(pair);
