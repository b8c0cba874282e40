// The contract of the ResourceManager port as one suite: run by the memory, PostgreSQL, MySQL and MariaDB adapters alike.
import { afterAll, beforeEach, describe } from 'vitest';
import { failureContract } from './contract/failures.ts';
import { finishContract } from './contract/finish.ts';
import type { ContractHarness } from './contract/harness.ts';
import { identityContract } from './contract/identity.ts';
import { limitsContract } from './contract/limits.ts';
import { openingsContract } from './contract/openings.ts';
import { workContract } from './contract/work.ts';

export {
  type ContractHarness,
  freshGtrid,
  freshIdentity,
  freshKey,
  freshRow,
  freshXid,
  type OpenOptions,
  rowOfBranch,
  type TypedCase,
  until,
} from './contract/harness.ts';
export { openLossyProxy } from './contract/lossy-proxy.ts';
export * as steps from './contract/steps.ts';

/** Declares the whole contract for one engine. `openHarness` may start a server; the suite disposes it. */
export function resourceManagerContract(name: string, openHarness: () => Promise<ContractHarness>): void {
  describe(`${name} keeps the contract of a resource manager`, () => {
    let opened: ContractHarness | undefined;
    const harness = (): ContractHarness => {
      if (opened === undefined) {
        throw new Error('the harness is not open');
      }
      return opened;
    };
    // Not in beforeAll: where the engine cannot be had, its own beforeEach skips the test before this one needs a server.
    beforeEach(async () => {
      opened ??= await openHarness();
    }, 60_000);
    afterAll(async () => {
      await opened?.[Symbol.asyncDispose]();
    }, 30_000);

    workContract(harness);
    finishContract(harness);
    limitsContract(harness);
    openingsContract(harness);
    failureContract(harness);
    identityContract(harness);
  });
}
