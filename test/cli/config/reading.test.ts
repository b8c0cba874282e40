// Reading settings: strict JSON, near names, addresses, secrets.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseStrictJson } from '../../../src/cli/config/json-text.ts';
import { holdsPassword, maskSecret, readSecretFile } from '../../../src/cli/config/secrets.ts';
import { editDistance, nearest } from '../../../src/cli/config/suggest.ts';
import { toFailure } from '../../../src/cli/run/failure.ts';
import { formatAddress, isLoopback, parseAddress } from '../../../src/lib/address.ts';

const directory = mkdtempSync(join(tmpdir(), 'concordat-config-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('strict JSON', () => {
  it.each([
    ['{"a":1,"a":2}', 'a', 1],
    ['{"a":{"b":1,\n"b":2}}', 'b', 2],
    // The same key, written with an escape.
    ['{"a":1,\n\n"\\u0061":2}', 'a', 3],
    ['[{"x":[{"k":1,"k":1}]}]', 'k', 1],
  ])('%j is refused for its repeated key (faults B57)', (text, key, line) => {
    expect(parseStrictJson(text)).toEqual({
      kind: 'refused',
      message: `the key "${key}" is there twice, again in line ${line}`,
    });
  });

  it.each([
    '{"a":{"a":1},"b":{"a":2}}',
    '[{"a":1},{"a":2}]',
    '{"a":"{\\"b\\":1,\\"b\\":2}","b":["b","b"]}',
    '{"a":["a","a"],"c":"a"}',
    '{"a\\"":1,"a":2}',
    '"a"',
    '{}',
  ])('%s has no repeated key and is read', (text) => {
    expect(parseStrictJson(text)).toEqual({ kind: 'value', value: JSON.parse(text) });
  });

  it.each(['', '{', '{a: 1}', 'a: &x [1]\nb: *x', '{"a":1,}', "{'a':1}"])(
    '%j is no JSON and is refused (faults B57)',
    (text) => {
      expect(parseStrictJson(text)).toMatchObject({ kind: 'refused', message: expect.stringContaining('not JSON') });
    },
  );
});

describe('near names', () => {
  const known = ['dataDir', 'listen', 'adminListen', 'retention.outcomesMax', 'logLevel'];
  it.each([
    ['datadir', 'dataDir'],
    ['data_dir', 'dataDir'],
    ['data-dri', 'dataDir'],
    ['lisen', 'listen'],
    ['logLevle', 'logLevel'],
    ['retention.outcomeMax', 'retention.outcomesMax'],
  ])('%s is probably %s (faults B55)', (word, expected) => {
    expect(nearest(word, known)).toBe(expected);
  });

  it.each(['port', 'x', 'completelyDifferent', ''])('%j is near to nothing', (word) => {
    expect(nearest(word, known)).toBeUndefined();
  });

  it('a swap of neighbours counts as one mistake', () => {
    expect([editDistance('listen', 'litsen'), editDistance('', 'abc'), editDistance('abc', 'abc')]).toEqual([1, 3, 0]);
  });
});

describe('addresses', () => {
  it.each([
    ['localhost:7420', { host: 'localhost', port: 7420 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:7420', { host: '::1', port: 7420 }],
    ['db-1.example.org:65535', { host: 'db-1.example.org', port: 65_535 }],
  ])('%s is an address, and port 0 asks for any (faults B58)', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
    expect(formatAddress(address)).toBe(text);
  });

  it.each([
    'localhost:65536',
    'localhost:grpc',
    'localhost',
    ':7420',
    '7420',
    '::1:7420',
    '::1',
    'localhost:',
    'localhost:-1',
    'localhost:007',
    'localhost:7420 ',
    'host name:1',
    'http://localhost:7420',
    `unix:${'/very-long'.repeat(20)}`,
    `/${'s'.repeat(199)}`,
    '[localhost]:1',
    'evil\u202e:1',
    'a\n:1',
  ])('%j is refused with a sentence (faults B58)', (text) => {
    expect(parseAddress(text)).toMatch(/^(must|has|an IPv6) .*7420|65535/);
  });

  it('knows what only this machine can reach', () => {
    expect(['localhost', '127.0.0.1', '127.9.9.9', '::1'].filter(isLoopback)).toHaveLength(4);
    expect(['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.0.0.1.example.org'].some(isLoopback)).toBe(false);
  });
});

describe('secrets', () => {
  function secretFile(name: string, text: string, mode: number): string {
    const path = join(directory, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  }
  function refusal(path: string, allowReadable = false): string {
    try {
      readSecretFile(path, { allowReadable });
    } catch (error) {
      return toFailure(error).message;
    }
    return 'accepted';
  }

  it('a file that only its owner reads gives its line (faults B61)', () => {
    const path = secretFile('owner', 'postgresql://u:p@h/d\n', 0o600);
    expect(readSecretFile(path, { allowReadable: false })).toBe('postgresql://u:p@h/d');
  });

  it('a file that every user reads is refused unless that is allowed (faults B61)', () => {
    const path = secretFile('world', 'secret', 0o644);
    expect(refusal(path)).toMatch(/Every user .* can read .*chmod 600 .*--allow-readable-secrets/);
    expect(readSecretFile(path, { allowReadable: true })).toBe('secret');
  });

  it.each([
    ['empty', ''],
    ['newline', '\n'],
    ['lines', 'one\ntwo\n'],
  ])('a file with %s instead of one line is refused', (name, text) => {
    expect(refusal(secretFile(name, text, 0o600))).toMatch(/must hold one line/);
  });

  it('a file that is missing is refused with its name', () => {
    expect(refusal(join(directory, 'missing'))).toMatch(/secret file .*missing cannot be read: ENOENT/);
  });

  it('passwords are masked and the rest stays readable', () => {
    expect(maskSecret('postgresql://bob:s3cret@db:5432/shop?sslpassword=x&application_name=y')).toBe(
      'postgresql://bob:***@db:5432/shop?sslpassword=***&application_name=y',
    );
    expect(maskSecret('s3cret')).toBe('***');
    expect(maskSecret('mysql://bob@db/shop')).toBe('mysql://bob@db/shop');
  });

  it('a URL without a password is no secret', () => {
    expect(
      ['mysql://bob@db/shop', 'mysql://bob:x@db/shop', 'mysql://db/shop?password=x', 'x'].map(holdsPassword),
    ).toEqual([false, true, true, true]);
  });
});
