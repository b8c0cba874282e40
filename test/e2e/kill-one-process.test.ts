// Both sidecars in one process: its death takes the participants of both branches at once.

import { killMatrix } from './kill-matrix.ts';
import { useSystem } from './system.ts';

killMatrix(useSystem('mariadb', { oneProcess: true }), ['sidecar', 'coordinator', 'other database']);
