// How many quarantined branches are named, and how their number is told.

/** Of each resource. More of them are left alone as well; they are counted, and not named. */
export const QUARANTINED_NAMED_MAX = 10_000;

/** `3`, or `10,000 named and about 15,012 more`. */
export function quarantinedText(count: number): string {
  const beyond = count - QUARANTINED_NAMED_MAX;
  const words = (value: number): string => value.toLocaleString('en-US');
  return beyond > 0 ? `${words(QUARANTINED_NAMED_MAX)} named and about ${words(beyond)} more` : words(count);
}
