// Durations and sizes as people write and read them.

/** Ten years. More is a typing error, and it stays far below what 64 bits of milliseconds hold. */
const DURATION_MAX_MS = 3_650 * 86_400_000;

const DURATION = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,15})ms)?$/;
const UNITS_MS = [86_400_000, 3_600_000, 60_000, 1_000, 1] as const;

/**
 * Milliseconds of `90s`, `1h`, `1h30m` or `250ms`; undefined for anything else. A number without a unit, a sign, a date and what is
 * longer than ten years are refused rather than guessed at (faults B72).
 */
export function parseDurationMs(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (match === null || text === '') {
    return undefined;
  }
  const total = UNITS_MS.reduce((sum, unitMs, index) => sum + Number(match[index + 1] ?? 0) * unitMs, 0);
  return total <= DURATION_MAX_MS ? total : undefined;
}

/** At most two units: `850 ms`, `3.2 s`, `3m 20s`, `2h 5m`, `4d 3h`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) {
    return `${Math.floor(ms)} ms`;
  }
  if (ms < 60_000) {
    return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  }
  const seconds = Math.floor(ms / 1_000);
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3_600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) {
    return `${days}d ${hours}h`;
  }
  return seconds >= 3_600 ? `${hours}h ${minutes}m` : `${minutes}m ${seconds % 60}s`;
}

/** For what is measured in microseconds: `850 µs`, `2.5 ms`, then as `formatDuration`. */
export function formatMicros(micros: number): string {
  if (micros < 1_000) {
    return `${Math.floor(micros)} µs`;
  }
  return micros < 100_000 ? `${(micros / 1_000).toFixed(1)} ms` : formatDuration(micros / 1_000);
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function formatBytes(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(SIZES.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${step === 0 ? bytes : (bytes / 1_024 ** step).toFixed(1)} ${SIZES[step]}`;
}
