// The programs that have settings, by name.
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { participantConfigSchema } from '../../participants/sidecar/config.ts';
import type { ConfigSchema } from './settings.ts';

export const PROGRAMS = ['coordinator', 'participant'] as const;
export type ProgramName = (typeof PROGRAMS)[number];

export const SCHEMAS: Readonly<Record<ProgramName, ConfigSchema>> = {
  coordinator: coordinatorConfigSchema,
  participant: participantConfigSchema,
};
