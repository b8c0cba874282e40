// `once` and `lock` at PostgreSQL and MariaDB.
import { tablesFacts } from './tables-facts.ts';

tablesFacts('mariadb');
