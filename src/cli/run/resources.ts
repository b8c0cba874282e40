// All resources of a coordinator, page by page.
import type { ResourceInfo__Output as ResourceInfo } from '../../gen/concordat/v1/ResourceInfo.ts';
import type { AdminClient } from './admin-client.ts';

/** @throws {CliError | CoordinatorError} the coordinator does not answer. */
export async function fetchResources(admin: AdminClient): Promise<readonly ResourceInfo[]> {
  const resources: ResourceInfo[] = [];
  for (let more = true; more; ) {
    const page = await admin.call('ListResources', { after: resources.at(-1)?.name ?? '' });
    resources.push(...page.resources);
    more = page.more && page.resources.length > 0;
  }
  return resources;
}
