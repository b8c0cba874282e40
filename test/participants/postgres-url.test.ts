// The URL of a PostgreSQL database: what it may say, and that nothing in it is ignored.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerCertificate } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { clientConfigOf, parsePostgresUrl } from '../../src/participants/postgres/url.ts';
import { CoordinatorError } from '../../src/xa/errors.ts';

function problemOf(text: string): string {
  try {
    clientConfigOf(parsePostgresUrl(text));
  } catch (error) {
    expect(error).toBeInstanceOf(CoordinatorError);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    return String((error as Error).message);
  }
  throw new Error(`${text} was accepted`);
}

describe('the URL of a PostgreSQL database', () => {
  it.each([
    ['postgresql://u:p@h/d', { host: 'h', user: 'u', password: 'p', database: 'd' }],
    ['postgres://u@h:7/d', { host: 'h', port: 7, user: 'u', database: 'd' }],
    ['postgresql://u:p%40ss%25@[::1]:5/a%20b', { host: '::1', port: 5, user: 'u', password: 'p@ss%', database: 'a b' }],
    ['postgresql://%2Frun%2Fpg/d', { host: '/run/pg', database: 'd' }],
    ['postgresql:///d?host=/run/pg', { host: '/run/pg', database: 'd' }],
    ['postgresql://h/d?options=-c%20search_path%3Da', { host: 'h', database: 'd', options: '-c search_path=a' }],
    ['postgresql://h/d?sslmode=disable', { host: 'h', database: 'd', ssl: false }],
    ['postgresql://h/d?sslmode=no-verify', { host: 'h', database: 'd', ssl: { rejectUnauthorized: false } }],
    ['postgresql://h/d?sslmode=require', { host: 'h', database: 'd', ssl: { rejectUnauthorized: true } }],
    ['postgresql://h/d?sslmode=verify-full', { host: 'h', database: 'd', ssl: { rejectUnauthorized: true } }],
  ])('%s is read', (text, config) => {
    expect(clientConfigOf(parsePostgresUrl(text))).toEqual(config);
  });

  it.each([
    ['postgresql://u:pa%ss@h/d', /% in the password .* write a plain % as %25/],
    ['postgresql://u%:p@h/d', /% in the user/],
    ['postgresql://u@h/d%zz', /% in the name of the database/],
    ['postgresql://u:p#x@h/d', /is not a URL|#|must name the database/],
    ['postgresql://u@h/d#x', /write it as %23/],
    ['postgresql://u@h', /must name the database/],
    ['postgresql://u@a,b/d', /several hosts/],
    ['postgresql://u@a:1,b:2/d', /several hosts/],
    ['mysql://u@h/d', /must start with postgresql/],
    ['not a url', /is not a URL/],
    ['postgresql://h/d?sslmode=required', /did you mean require\?/],
    ['postgresql://h/d?sslmode=prefer', /use require or disable/],
    ['postgresql://h/d?sslmode=VERIFY-FULL', /known are disable, no-verify, require, verify-ca, verify-full/],
    ['postgresql://h/d?sslmode=verify_identity', /did you mean verify-full\?/],
    ['postgresql://h/d?sslmode=constructor', /unknown sslmode/],
    ['postgresql://h/d?sslmode=', /without a value/],
    ['postgresql://h/d?sslmode=require&sslmode=disable', /twice/],
    ['postgresql://h/d?schema=public', /unknown parameter "schema": use options=/],
    ['postgresql://h/d?ssl=true', /use sslmode=verify-full/],
    ['postgresql://h/d?ssl-mode=REQUIRED', /that is of MySQL/],
    ['postgresql://h/d?toString=1', /known are sslmode/],
    ['postgresql://h/d?sslrootcert=/a', /add sslmode=verify-full/],
    ['postgresql://h/d?sslmode=disable&sslrootcert=/a', /add sslmode=verify-full/],
    ['postgresql://h/d?sslmode=require&sslcert=/a', /both sslcert and sslkey/],
    ['postgresql://h/d?sslmode=require&sslrootcert=/not/there', /file of sslrootcert cannot be read: \/not\/there/],
  ])('%s is refused, with what to do (field P19)', (text, problem) => {
    expect(problemOf(text)).toMatch(problem);
    expect(problemOf(text)).not.toContain('pa%ss');
  });

  it('files of TLS are read, and an address is looked for in the certificate as itself (field P19)', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'concordat-url-'));
    try {
      const file = join(directory, 'ca.pem');
      await writeFile(file, 'the authority');
      const { ssl } = clientConfigOf(parsePostgresUrl(`postgresql://10.0.0.7/d?sslmode=require&sslrootcert=${file}`));
      expect(ssl).toMatchObject({ ca: 'the authority', rejectUnauthorized: true });
      const check = typeof ssl === 'object' ? ssl.checkServerIdentity : undefined;
      const valid = (subjectaltname: string) =>
        check?.('localhost', { subject: { CN: 'x' }, subjectaltname } as unknown as PeerCertificate) === undefined;
      expect(valid('IP Address:10.0.0.7')).toBe(true);
      expect(valid('DNS:localhost')).toBe(false);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
