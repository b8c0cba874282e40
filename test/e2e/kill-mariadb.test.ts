// PostgreSQL 18 and MariaDB, whose prepared branches are pinned to the session that prepared them.

import { killMatrix } from './kill-matrix.ts';
import { useSystem } from './system.ts';

killMatrix(useSystem('mariadb'));
