// The programs that have settings, by name.
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { participantConfigSchema } from '../../participants/sidecar/config.ts';
import type { ConfigSchema } from './settings.ts';

export const PROGRAMS = ['coordinator', 'participant'] as const;
export type Program = (typeof PROGRAMS)[number];

export const SCHEMAS: Readonly<Record<Program, ConfigSchema>> = {
  coordinator: coordinatorConfigSchema,
  participant: participantConfigSchema,
};
