// Which errors of the application's function roll its work back: every one, unless it says otherwise.

export type RollbackOn = (error: unknown) => boolean;

/** The work is kept in spite of this error, which is thrown all the same. @throws what `rollbackOn` throws: then nothing is kept. */
export function isKept(error: unknown, rollbackOn: RollbackOn | undefined): boolean {
  return rollbackOn !== undefined && rollbackOn(error) === false;
}
