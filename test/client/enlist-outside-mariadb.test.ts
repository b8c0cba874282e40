// Branches on connections to PostgreSQL and MariaDB that end past every guard.
import { useSystem } from '../e2e/system.ts';
import { outsideFacts } from './enlist-outside-facts.ts';

outsideFacts(useSystem('mariadb'));
