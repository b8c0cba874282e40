// How a participant dials its coordinator, whatever the machine's environment says.
import { afterEach, describe, expect, it } from 'vitest';
import { openFixture } from './runtime-fixture.ts';

const PROXIES = ['http_proxy', 'https_proxy', 'grpc_proxy'] as const;
const EXCEPTIONS = ['no_proxy', 'no_grpc_proxy'] as const;
const before = { ...process.env };

afterEach(() => {
  for (const name of [...PROXIES, ...EXCEPTIONS]) {
    delete process.env[name];
    if (before[name] !== undefined) {
      process.env[name] = before[name];
    }
  }
});

describe('the way to the coordinator', () => {
  it.each(PROXIES)('does not lead through the proxy of %s (field P15)', async (name) => {
    for (const exception of EXCEPTIONS) {
      delete process.env[exception];
    }
    process.env[name] = 'http://127.0.0.1:1';
    await using fixture = await openFixture();
    const { runtime } = await fixture.attach();
    await runtime.firstReady;
    expect(runtime.status.ready).toBe(true);
  });
});
