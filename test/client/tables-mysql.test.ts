// `once` and `lock` at PostgreSQL and MySQL.
import { tablesFacts } from './tables-facts.ts';

tablesFacts('mysql');
