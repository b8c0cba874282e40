// The libraries of this folder's own package.
import { library as libraryOf, useNpmFolder } from '../support/npm-folder.ts';

const HERE = import.meta.dirname;

/** Libraries differ in how they export; each use says what it takes of one. */
export function library<Shape>(name: string): Shape {
  return libraryOf(HERE, name);
}

/** Installs what the lock file says, unless it is there. Where the registry cannot be reached the tests are skipped; with CI=true they fail. */
export function useLibraries(): void {
  const isOff = process.env['CONCORDAT_TEST_ENGINES'] === 'off';
  useNpmFolder(HERE, isOff ? 'engines are off in this run, and the libraries are of no use without them' : undefined);
}
