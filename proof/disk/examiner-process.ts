// One of the processes that share the cuts of a recording. Its parent gives it settings once and then ranges of cuts; it ends with
// the connection to the parent.
import { readFileSync } from 'node:fs';
import { deserialize } from 'node:v8';
import type { DiskEvent } from './disk.ts';
import type { Examined, ExaminerSettings } from './examiner.ts';
import { Examiner } from './examiner.ts';

export type ExaminerRequest =
  | { readonly kind: 'settings'; readonly recording: string; readonly settings: Omit<ExaminerSettings, 'events'> }
  | { readonly kind: 'cuts'; readonly cuts: readonly number[]; readonly limit: number };

let examiner: Examiner | undefined;

async function examine(cuts: readonly number[], limit: number): Promise<Examined> {
  const all: Examined[] = [];
  for (const cut of cuts) {
    if (examiner !== undefined) {
      all.push(await examiner.examine(cut, { limit }));
    }
  }
  return {
    hashes: all.flatMap(({ hashes }) => hashes),
    started: all.reduce((sum, { started }) => sum + started, 0),
    findings: all.flatMap(({ findings }) => findings),
  };
}

process.on('message', (request: ExaminerRequest) => {
  if (request.kind === 'settings') {
    const events = deserialize(readFileSync(request.recording)) as readonly DiskEvent[];
    examiner = new Examiner({ ...request.settings, events });
    return;
  }
  examine(request.cuts, request.limit).then(
    (examined) => process.send?.(examined),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
