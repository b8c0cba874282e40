// The playground's last screen: what runs, and what to try on it.
import { fileURLToPath } from 'node:url';
import type { Cluster, Databases } from './cluster.ts';
import type { Timeline } from './timeline.ts';

const DEFAULT_ADDRESSES = ['localhost:7420', '127.0.0.1:7420'];
/** Sources run in a checkout; an installed command runs what was built from them. */
const IN_CHECKOUT = import.meta.url.endsWith('.ts');

export function showPlayground(timeline: Timeline, cluster: Cluster, { accounts, orders }: Databases): void {
  // In a checkout, whose machine may have an older Node, npm finds the right one.
  const command = IN_CHECKOUT ? 'npm run -s concordat --' : 'npx concordat';
  const isDefault = DEFAULT_ADDRESSES.includes(cluster.address);
  const at = isDefault ? '' : ` --coordinator ${cluster.address}`;
  timeline.line();
  timeline.line('It stays up until Ctrl-C:');
  timeline.line(`  coordinator  ${cluster.address}`);
  timeline.line(`  accounts     ${accounts.url}`);
  timeline.line(`  orders       ${orders.url}`);
  timeline.line();
  timeline.line('A transaction of your own, in another terminal:');
  timeline.line(`  ${exampleLine(isDefault ? undefined : cluster.address)}`);
  timeline.line('What became of it, with the id that it prints:');
  timeline.line(`  ${command} tx show <id>${at}`);
  timeline.line();
  timeline.line('And then:');
  timeline.line(`  ${command} status${at}`);
  timeline.line(`  ${command} resource list${at}`);
  timeline.line(`  ${command} tx list${at}`);
  timeline.line(`  ${command} doctor${at}`);
  timeline.line(`  kill -9 ${cluster.coordinator.pid}`);
  timeline.line('    the coordinator: it is started again, and recovers');
}

/** @param address absent where the example knows it by itself. */
function exampleLine(address: string | undefined): string {
  if (IN_CHECKOUT) {
    return `npm run -s example order${address === undefined ? '' : ` -- ${address}`}`;
  }
  const file = fileURLToPath(new URL('../../examples/unary-client.mjs', import.meta.url));
  return `node ${/^[\w./@+-]+$/.test(file) ? file : `'${file}'`}${address === undefined ? '' : ` ${address}`}`;
}
