// PostgreSQL 18 and MySQL 9: the parts whose death MySQL's side sees. The others are killed on the other pairs.
import { killMatrix } from './kill-matrix.ts';
import { useSystem } from './system.ts';

killMatrix(useSystem('mysql'), ['coordinator', 'other sidecar', 'other database']);
