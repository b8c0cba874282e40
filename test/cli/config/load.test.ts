// Defaults < file < environment < flags, and what is refused on the way.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type LoadOptions, loadConfig } from '../../../src/cli/config/load.ts';
import { SCHEMAS } from '../../../src/cli/config/programs.ts';
import { settingsOf } from '../../../src/cli/config/settings.ts';
import { describeOrigin } from '../../../src/cli/config/sources.ts';
import { toFailure } from '../../../src/cli/run/failure.ts';
import { coordinatorConfigSchema } from '../../../src/coordinator/config.ts';
import { participantConfigSchema } from '../../../src/participants/sidecar/config.ts';

const directory = mkdtempSync(join(tmpdir(), 'concordat-load-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
function file(content: unknown, mode = 0o600): string {
  files += 1;
  const path = join(directory, `${files}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  chmodSync(path, mode);
  return path;
}

function options(
  given: Partial<Omit<LoadOptions, 'flags'>> & { flags?: Readonly<Record<string, string | boolean>> },
): LoadOptions {
  return { configPath: given.configPath, env: given.env ?? {}, flags: new Map(Object.entries(given.flags ?? {})) };
}

/** Every problem of a coordinator's settings, in one text. */
function problems(given: Parameters<typeof options>[0], schema: keyof typeof SCHEMAS = 'coordinator'): string {
  try {
    loadConfig(SCHEMAS[schema], options(given));
  } catch (error) {
    const failure = toFailure(error);
    expect(failure.reason).toBe('CONFIG_INVALID');
    expect(failure.exit).toBe(2);
    return [failure.message, ...failure.details].join('\n');
  }
  return 'accepted';
}

describe('precedence', () => {
  const configPath = file({ listen: '127.0.0.1:1', adminListen: '127.0.0.1:11', retention: { outcomesMax: 5_000 } });
  const loaded = loadConfig(
    coordinatorConfigSchema,
    options({
      configPath,
      env: {
        CONCORDAT_LISTEN: '127.0.0.1:2',
        CONCORDAT_LIMITS_OPEN_TRANSACTIONS_MAX: '77',
        CONCORDAT_INSECURE: 'true',
      },
      flags: { '--listen': '127.0.0.1:3', '--insecure': false },
    }),
  );

  it('a flag wins over the environment, that over the file, that over the default (faults B63)', () => {
    expect(loaded.config).toMatchObject({
      listen: '127.0.0.1:3',
      adminListen: '127.0.0.1:11',
      insecure: false,
      defaultTimeoutMs: 30_000,
      retention: { outcomesMax: 5_000, outcomesMs: 2_592_000_000 },
      limits: { openTransactionsMax: 77 },
    });
  });

  it('every value tells where it comes from and what it overrides (faults B63)', () => {
    const origins = Object.fromEntries(
      loaded.resolved.map((each) => [each.setting.key, [each.origin, ...each.overridden].map(describeOrigin)]),
    );
    expect(origins).toMatchObject({
      listen: ['flag --listen', 'environment CONCORDAT_LISTEN', `file ${configPath}`],
      adminListen: [`file ${configPath}`],
      insecure: ['flag --insecure', 'environment CONCORDAT_INSECURE'],
      'limits.openTransactionsMax': ['environment CONCORDAT_LIMITS_OPEN_TRANSACTIONS_MAX'],
      drainGraceMs: ['default'],
    });
  });

  it('an empty variable counts as absent', () => {
    const { config } = loadConfig(
      coordinatorConfigSchema,
      options({ env: { CONCORDAT_LISTEN: '', CONCORDAT_CONFIG: '' } }),
    );
    expect(config.listen).toBe('127.0.0.1:7420');
  });

  it('the file may be named in the environment', () => {
    const { config } = loadConfig(coordinatorConfigSchema, options({ env: { CONCORDAT_CONFIG: configPath } }));
    expect(config.listen).toBe('127.0.0.1:1');
  });
});

describe('refusals', () => {
  it('an unknown key is refused with the nearest known one (faults B55)', () => {
    expect(problems({ configPath: file({ dataDri: '/tmp' }) })).toBe(
      'A setting is wrong.\ndataDri is not a setting: did you mean dataDir?',
    );
    expect(problems({ configPath: file({ retention: { outcomeMax: 5_000 } }) })).toContain(
      'retention.outcomeMax is not a setting: did you mean retention.outcomesMax?',
    );
    expect(problems({ configPath: file({ grpcPort: 1 }) })).toContain('grpcPort is not a setting: known are dataDir,');
    expect(problems({ configPath: file('{"__proto__":{"insecure":true}}') })).toContain('__proto__ is not a setting');
  });

  it('every problem is told at once', () => {
    const text = problems({
      configPath: file({ lisen: 'x', logLevel: 'loud' }),
      env: { CONCORDAT_DRAIN_GRACE_MS: 'soon' },
      flags: { '--default-timeout-ms': '0' },
    });
    expect(text.split('\n')).toEqual([
      '4 settings are wrong.',
      'defaultTimeoutMs must be a whole number from 1 to 86400000, not 0 (from flag --default-timeout-ms)',
      expect.stringMatching(/^logLevel must be one of trace, .*, not "loud" \(from file .*\)$/),
      'drainGraceMs must be a whole number from 0 to 3600000, not "soon" (from environment CONCORDAT_DRAIN_GRACE_MS)',
      'lisen is not a setting: did you mean listen?',
    ]);
  });

  it('a repeated key, another type and other syntax are refused with the file and the reason (faults B57)', () => {
    expect(problems({ configPath: file('{"listen":"127.0.0.1:1","listen":"127.0.0.1:2"}') })).toMatch(
      /configuration file .* cannot be used: the key "listen" is there twice/,
    );
    expect(problems({ configPath: file('[]') })).toMatch(/must hold one JSON object/);
    expect(problems({ configPath: file('listen: x') })).toMatch(/it is not JSON/);
    expect(problems({ configPath: join(directory, 'none') })).toMatch(/cannot be read: ENOENT/);
    expect(
      problems({ configPath: file({ retention: 5 }), env: { CONCORDAT_RETENTION_OUTCOMES_MAX: '5000' } }),
    ).toContain('retention must be an object');
  });

  it('a file that is no JSON is refused with the place, and with nothing of what is there (security X27)', () => {
    const secret = 'hunter2secret';
    const lead = '{\n  "resource": "accounts",\n  "url": ';
    for (const [text, line, column] of [
      [`${lead}${secret}"\n}`, 3, 10],
      [`${lead}"postgres://u:${secret}@h/db\n}`, 3, 10],
      [`${lead}"postgres://u:${secret}@h/db"\n  "x": 1}`, 4, 3],
      [`${lead}"${secret}",}`, 3, 26],
      [`${secret}`, 1, 1],
      [`{"a": {"b": [1, ${secret}]}}`, 1, 17],
      [`{"a": "${secret}" } trailing`, 1, 25],
      [`{"a": "${secret}\\x"}`, 1, 7],
      [`{"a": 01, "b": "${secret}"}`, 1, 8],
      [`${'['.repeat(5_000)}"${secret}`, 1, 102],
    ] as const) {
      const told = problems({ configPath: file(text) });
      expect(told, text).toContain(`it is not JSON: see line ${line}, column ${column}.`);
      for (let part = 0; part + 4 <= secret.length; part += 1) {
        expect(told).not.toContain(secret.slice(part, part + 4));
      }
    }
  });

  it('a value of another type is refused with its line, and shows nothing that is inside of it (security X27)', () => {
    const text =
      '{\n  "listen": { "url": "hunter2" },\n\n  "drainGraceMs": "soon",\n  "retention": 5,\n "logLevel":["hunter2"]}';
    const told = problems({ configPath: file(text) });
    expect(told).not.toContain('hunter2');
    expect(told).toMatch(/listen must be a text, not an object \(from file .*, line 2\)/);
    expect(told).toMatch(/drainGraceMs must be a whole number .*, not "soon" \(from file .*, line 4\)/);
    expect(told).toMatch(/retention must be an object \(line 5\)/);
    expect(told).toMatch(/logLevel must be one of .*, not a list \(from file .*, line 6\)/);
  });

  it('a byte order mark, and UTF-16, are named as what they are', () => {
    expect(problems({ configPath: file('\ufeff{"listen":"127.0.0.1:1"}') })).toContain('byte order mark (BOM)');
    const utf16 = file('');
    writeFileSync(utf16, Buffer.from('\ufeff{"listen":"127.0.0.1:1"}', 'utf16le'));
    expect(problems({ configPath: utf16 })).toContain('perhaps UTF-16: save it as UTF-8');
  });

  it.each(['127.0.0.1:65536', '127.0.0.1:grpc', '::1:7420', `unix:/${'s'.repeat(200)}`])(
    'the address %s is refused with its origin (faults B58)',
    (listen) => {
      expect(problems({ configPath: file({ listen }) })).toMatch(/^A setting is wrong\.\nlisten .*\(from file/);
    },
  );

  it('port 0 is taken for listening and refused for dialling (faults B58)', () => {
    expect(problems({ configPath: file({ listen: '127.0.0.1:0' }) })).toBe('accepted');
    expect(
      problems(
        { configPath: file({ resource: 'a', url: 'mysql://u@h/d', coordinator: 'localhost:0' }) },
        'participant',
      ),
    ).toMatch(/coordinator must name the port to dial/);
  });

  it('an address that others can reach needs to be allowed, because nothing is encrypted', () => {
    expect(problems({ flags: { '--listen': '0.0.0.0:7420' } })).toMatch(
      /neither encrypted nor authenticated.*--insecure/,
    );
    expect(problems({ flags: { '--listen': '0.0.0.0:7420', '--insecure': true } })).toBe('accepted');
  });
});

describe('secrets', () => {
  const base = { resource: 'accounts' };

  it('the database URL may come out of a file, whose name is not in the result', () => {
    const secret = file('postgresql://u:p@h/d');
    const { config, resolved } = loadConfig(
      participantConfigSchema,
      options({
        configPath: file({ ...base, url: 'mysql://other@h/d' }),
        env: { CONCORDAT_DATABASE_URL_FILE: secret },
      }),
    );
    expect(config).toMatchObject({ url: 'postgresql://u:p@h/d' });
    expect(config).not.toHaveProperty('urlFile');
    expect(resolved.find((each) => each.setting.key === 'url')).toMatchObject({ secretPath: secret });
  });

  it('a secret file or a configuration file with a password that everybody reads is refused (faults B61)', () => {
    const world = file('postgresql://u:p@h/d', 0o644);
    expect(problems({ flags: { '--resource': 'a', '--url-file': world } }, 'participant')).toMatch(/Every user/);
    expect(
      problems({ flags: { '--resource': 'a', '--url-file': world, '--allow-readable-secrets': true } }, 'participant'),
    ).toBe('accepted');
    expect(problems({ configPath: file({ ...base, url: 'mysql://u:p@h/d' }, 0o644) }, 'participant')).toMatch(
      /Every user/,
    );
    expect(problems({ configPath: file({ ...base, url: 'mysql://u@h/d' }, 0o644) }, 'participant')).toBe('accepted');
  });

  it('the configuration file may name the secret file, and its own readers do not matter then', () => {
    const configPath = file({ ...base, urlFile: file('mysql://u:p@h/d') }, 0o644);
    expect(loadConfig(participantConfigSchema, options({ configPath })).config.url).toBe('mysql://u:p@h/d');
    expect(problems({ configPath: file({ ...base, urlFile: 5 }) }, 'participant')).toMatch(/urlFile must be the path/);
  });

  it('a URL and a file with a URL in the same place are refused, because neither is more meant', () => {
    const secret = file('mysql://u:p@h/d');
    expect(problems({ configPath: file({ ...base, url: 'mysql://u@h/d', urlFile: secret }) }, 'participant')).toMatch(
      /url and urlFile are both given/,
    );
  });

  it('a wrong URL is refused without being shown', () => {
    const text = problems({ flags: { '--resource': 'a', '--url': 'oracle://u:hunter2@h/d' } }, 'participant');
    expect(text).toContain('url must start with postgresql://, mysql:// or mariadb:// (from flag --url)');
    expect(text).not.toContain('hunter2');
    expect(problems({ flags: { '--resource': 'a', '--url': 'hunter2' } }, 'participant')).not.toContain('hunter2');
    const odd = problems({ configPath: file({ ...base, url: { password: 'hunter2' } }) }, 'participant');
    expect(odd).toContain('url must be a text (from file');
    expect(odd).not.toContain('hunter2');
  });

  it('a password in a flag is taken with a warning, and without one there is none', () => {
    const warnings = (url: string): readonly string[] =>
      loadConfig(participantConfigSchema, options({ flags: { '--resource': 'a', '--url': url } })).warnings;
    expect(warnings('mysql://u:p@h/d')).toEqual([expect.stringMatching(/visible to every user.*--url-file/)]);
    expect(warnings('mysql://u@h/d')).toEqual([]);
  });
});

it('a variable that is nearly a setting is told, one that an orchestrator adds is not (faults B55)', () => {
  const env = { CONCORDAT_LISTE: 'x', CONCORDAT_PORT: 'tcp://10.0.0.1:7420', CONCORDAT_SERVICE_HOST: '10.0.0.1' };
  expect(loadConfig(coordinatorConfigSchema, options({ env })).warnings).toEqual([
    'CONCORDAT_LISTE is not a setting: did you mean CONCORDAT_LISTEN?',
  ]);
});

it('every setting has a flag, a variable and a description of its own', () => {
  for (const schema of Object.values(SCHEMAS)) {
    const settings = settingsOf(schema);
    for (const name of ['key', 'flag', 'env', 'description'] as const) {
      expect(new Set(settings.map((setting) => setting[name])).size, name).toBe(settings.length);
    }
  }
});
