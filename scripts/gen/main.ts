// Writes src/gen from proto/: the types of messages and services by proto-loader's generator, and the codecs of the messages by ours.
// Started by setup.mjs at the root of the checkout, with a new folder to write to.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { emitCodecs } from './codecs.ts';

const FILES = ['transaction', 'participant', 'resource', 'admin'].map((name) => `concordat/v1/${name}.proto`);
/** Kept equal to the options in src/wire/proto.ts: 64-bit integers and enum values are strings, absent scalars their defaults. */
const FLAGS = ['--defaults', '--longs=String', '--enums=String', '--oneofs', '--keepCase=false'];

const [target = ''] = process.argv.slice(2);
const generator = createRequire(import.meta.url).resolve('@grpc/proto-loader/build/bin/proto-loader-gen-types.js');
const imports = ['--grpcLib=@grpc/grpc-js', '--importFileExtension=.ts'];
const args = [generator, '--includeDirs=proto', ...FLAGS, ...imports, `--outDir=${target}`, ...FILES];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
if (status !== 0) {
  process.exit(1);
}

const root = new protobuf.Root();
root.resolvePath = (_origin, file) => join('proto', file);
root.loadSync(FILES).resolveAll();
const messages = (root.lookup('concordat.v1') as protobuf.Namespace).nestedArray
  .filter((one) => one instanceof protobuf.Service)
  .flatMap(({ methodsArray }) => methodsArray)
  .flatMap(({ resolvedRequestType, resolvedResponseType }) => [resolvedRequestType, resolvedResponseType])
  .filter((type) => type !== null);
writeFileSync(join(target, 'codecs.ts'), emitCodecs(messages, { encoding: '../wire/encoding', types: '.' }));
