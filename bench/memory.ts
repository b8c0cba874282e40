// What the kernel says of a process's memory.
import { readFileSync } from 'node:fs';

const MIB_KB = 1_024;

/** Resident memory in MiB; NaN: the process is gone. */
export function residentMib(pid: number): number {
  return statusMib(pid, 'VmRSS');
}

/** The most that it ever was. */
export function peakMib(pid: number): number {
  return statusMib(pid, 'VmHWM');
}

function statusMib(pid: number, field: string): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return Number.NaN;
  }
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN) / MIB_KB;
}
