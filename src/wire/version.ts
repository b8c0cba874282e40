// Which Concordat this is.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let version: string | undefined;

/** The version of the package, for instance `0.1.0`; read once from the package.json above the code. */
export function productVersion(): string {
  version ??= readVersion();
  return version;
}

function readVersion(): string {
  // src/wire in a checkout, dist/wire in the package: two folders up either way.
  const path = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'package.json');
  const manifest: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    return String(manifest.version);
  }
  throw new Error(`No version in ${path}: reinstall the package.`);
}
