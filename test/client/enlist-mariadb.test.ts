// An application's own connections to PostgreSQL and MariaDB in one transaction.
import { useSystem } from '../e2e/system.ts';
import { autocommitFacts } from './enlist-autocommit-facts.ts';
import { commitFacts } from './enlist-commit-facts.ts';
import { hangingFacts } from './enlist-hanging-facts.ts';
import { joinedFacts } from './enlist-joined-facts.ts';
import { lossFacts } from './enlist-loss-facts.ts';
import { boundConnectionFacts, freeConnectionFacts } from './enlist-prepared-facts.ts';
import { rollbackFacts } from './enlist-rollback-facts.ts';

const pair = useSystem('mariadb');
boundConnectionFacts(pair);
freeConnectionFacts(pair);
commitFacts(pair);
joinedFacts(pair);
rollbackFacts(pair);
lossFacts(pair);
hangingFacts(pair);
autocommitFacts(pair);
