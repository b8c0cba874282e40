// Enums of messages on their way in. Each is decoded by a table over all of its values, so that a value that is added to it does not
// compile until it is answered.

/**
 * What the table says of the value; undefined: the value means nothing here, or is of a newer protocol. A number that the enum does not
 * have arrives as that number.
 */
export function fromEnum<Meaning>(
  table: Readonly<Record<string, Meaning | undefined>>,
  value: string | number,
): Meaning | undefined {
  return Object.hasOwn(table, value) ? table[value] : undefined;
}
