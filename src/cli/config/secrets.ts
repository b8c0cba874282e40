// Secrets: read from files that only their owner reads, and masked wherever settings are shown.
import { configError } from '../run/failure.ts';
import { readTextFile } from './sources.ts';

const SECRET_BYTES_MAX = 64 * 1024;
const MASK = '***';
/** URL parameters that carry secrets with some drivers. */
const SECRET_PARAMETERS = /password|secret|token|key/i;

/**
 * The secret in the file, without the newline at its end.
 * @throws {CliError} CONFIG_INVALID: missing, empty, of several lines, or readable for everybody (faults B61).
 */
export function readSecretFile(path: string, options: { readonly allowReadable: boolean }): string {
  const { text, readable } = readTextFile(path, SECRET_BYTES_MAX, 'secret file');
  if (readable && !options.allowReadable) {
    throw readableSecretError(path);
  }
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '' || /[\r\n]/.test(secret)) {
    throw configError(`The secret file ${path} must hold one line with the secret, and nothing else.`);
  }
  return secret;
}

export function readableSecretError(path: string): Error {
  return configError(
    `Every user of this machine can read ${path}, and it holds a secret. Take the right away (chmod 600 ${path}), or say --allow-readable-secrets.`,
  );
}

/** True when the text of a secret setting really holds a secret: a URL without a password does not. */
export function holdsPassword(value: string): boolean {
  if (!URL.canParse(value)) {
    return true;
  }
  const url = new URL(value);
  return url.password !== '' || [...url.searchParams.keys()].some((name) => SECRET_PARAMETERS.test(name));
}

/** The value with its secret parts replaced; what is no URL is replaced whole. */
export function maskSecret(value: string): string {
  if (!URL.canParse(value)) {
    return MASK;
  }
  const url = new URL(value);
  if (url.password !== '') {
    url.password = MASK;
  }
  for (const name of [...url.searchParams.keys()].filter((each) => SECRET_PARAMETERS.test(each))) {
    url.searchParams.set(name, MASK);
  }
  return url.href;
}
