// Every flood of the list of attacks, with honest clients beside it: they are served, none is refused, and memory has a bound.
//
// In CI each goes on for a moment. `npm run floods` gives each six seconds, as the measurements did that they come from.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../src/dev/engines/port.ts';
import { Program } from '../../src/dev/program.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { ScriptedParticipant } from '../coordinator/scripted-participant.ts';
import { TestSession } from '../coordinator/test-session.ts';
import { BYTE_ATTACKS } from './attacks-bytes.ts';
import { CALL_ATTACKS } from './attacks-calls.ts';
import { attaching, coming, connected, type Measured, p99 } from './honest.ts';

const ATTACKER = fileURLToPath(new URL('attacker.ts', import.meta.url));
const FLOOD_MS = Number(process.env['CONCORDAT_FLOOD_MS'] ?? 1_200);
const BEFORE_MS = Math.max(600, FLOOD_MS / 4);
/** The bound of the measurements is five times what it was before; below this, that is the noise of a machine with two processors. */
const FLOOR_MS = 300;
const TIMES = 5;
/** A coordinator at rest has 160 MB; the largest flood that is bounded by a count took 360 MB. */
const RSS_MAX_MB = 500;

let directory = '';
let closing: AsyncDisposableStack;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'concordat-tests-floods-'));
  closing = new AsyncDisposableStack();
});
afterEach(async () => {
  await closing[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function startCoordinator(): Promise<{ program: Program; address: string; adminAddress: string }> {
  const adminPort = await freePort();
  const listen = ['--listen', '127.0.0.1:0', '--admin-listen', `127.0.0.1:${adminPort}`];
  const program = closing.use(Program.start({ args: ['coordinator', '--data-dir', directory, ...listen] }));
  const { address } = await program.event('serving');
  return { program, address: String(address), adminAddress: `127.0.0.1:${adminPort}` };
}

async function rssMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

describe('beside a flood honest clients are served, and none is refused', () => {
  it.each([...Object.keys(CALL_ATTACKS), ...Object.keys(BYTE_ATTACKS)])(
    '%s (security floods)',
    async (name) => {
      const { program, address, adminAddress } = await startCoordinator();
      const participants = ['accounts', 'orders'].map((resource) =>
        closing.use(new ScriptedParticipant(address, resource)).beat(500),
      );
      for (const { instance } of participants) {
        await program.event('participant-attached', (line) => line['instance'] === instance);
      }
      const session = closing.use(new TestSession(address));
      await session.ask({ hello: { ...PROTOCOL, application: 'honest' } });
      const { logIdentity, epoch } = session.welcome;
      const round = async (milliseconds: number): Promise<readonly Measured[]> => {
        const end = performance.now() + milliseconds;
        const isOver = (): boolean => performance.now() > end;
        return Promise.all([
          connected(session, participants, isOver),
          coming(address, isOver),
          attaching(address, 'accounts', isOver),
        ]);
      };
      const before = await round(BEFORE_MS);
      const args = [name, address, adminAddress, logIdentity, epoch, String(FLOOD_MS)];
      const attacker = closing.use(Program.start({ script: ATTACKER, args }));
      await attacker.event('attacking');
      const during = await round(FLOOD_MS);
      await attacker.ended;
      const rss = await rssMegabytes(program.pid);
      const after = await round(200);
      for (const [n, who] of ['connected', 'coming', 'attaching'].entries()) {
        const [calm, flooded, later] = [before[n], during[n], after[n]];
        if (calm === undefined || flooded === undefined || later === undefined) {
          throw new Error('each was measured');
        }
        const told = `${who}: p99 ${p99(calm).toFixed(0)} ms before, ${p99(flooded).toFixed(0)} ms during, ${flooded.times.length} served, RSS ${rss.toFixed(0)} MB`;
        if (process.env['CONCORDAT_FLOOD_MS'] !== undefined) {
          process.stdout.write(`${name}, ${told}\n`);
        }
        expect([...calm.refused, ...flooded.refused, ...later.refused], told).toEqual([]);
        expect(p99(flooded), told).toBeLessThan(TIMES * Math.max(p99(calm), FLOOR_MS));
      }
      expect(rss).toBeLessThan(RSS_MAX_MB);
    },
    60_000,
  );
});
