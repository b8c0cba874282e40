// Two PostgreSQL servers.
import { killMatrix } from './kill-matrix.ts';
import { useSystem } from './system.ts';

killMatrix(useSystem('postgresql-18'));
