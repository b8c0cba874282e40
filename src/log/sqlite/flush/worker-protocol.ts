// What the main thread and the log's worker say to each other. Everything here survives a structured clone.
import type { LogIdentity } from '../../../xa/xid.ts';
import type { LogFiles } from '../file/files.ts';
import type { FileWork } from '../file/writer.ts';
import type { Inspection, InspectOptions } from '../history/inspect.ts';

export interface WorkerData {
  readonly files: LogFiles;
  readonly walPagesMax: number;
}

export type WorkerRequest =
  | { readonly kind: 'create'; readonly identity: LogIdentity }
  | { readonly kind: 'inspect'; readonly options: InspectOptions }
  | { readonly kind: 'open' }
  | { readonly kind: 'work'; readonly work: FileWork }
  | { readonly kind: 'close' };

export type WorkerResult =
  | Inspection
  | { readonly kind: 'done'; readonly micros: number }
  | { readonly kind: 'failed'; readonly message: string; readonly code: string };

export interface WorkerAnswer {
  readonly id: number;
  readonly result: WorkerResult;
}
