// An attack as a process of its own, and behind everybody else in line for the processors: a flood comes over the network.
//
//   attacker.ts <name> <address> <admin address> <identity> <epoch> <milliseconds>
import { setPriority } from 'node:os';
import { BYTE_ATTACKS } from './attacks-bytes.ts';
import { CALL_ATTACKS } from './attacks-calls.ts';

const [name = '', address = '', adminAddress = '', identity = '', epoch = '', milliseconds = ''] =
  process.argv.slice(2);
const attack = { ...CALL_ATTACKS, ...BYTE_ATTACKS }[name];
if (attack === undefined) {
  throw new Error(`no attack ${name}`);
}
setPriority(5);
process.stdout.write(`${JSON.stringify({ evt: 'attacking' })}\n`);
const end = performance.now() + Number(milliseconds);
process.on('uncaughtException', (error) => process.stderr.write(`${error.message}\n`));
await attack({ address, adminAddress, identity, epoch: Number(epoch), isOver: () => performance.now() > end });
process.exit(0);
