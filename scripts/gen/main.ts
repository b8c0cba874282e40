// Writes src/gen from proto/: the types of messages and services by proto-loader's generator, the codecs of the messages by ours, and the
// definition itself, so that a program finds it without a file beside it, also in a bundle.
// Started by setup.mjs at the root of the checkout, with a new folder to write to.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { emitCodecs } from './codecs.ts';

const FILES = ['transaction', 'participant', 'resource', 'admin'].map((name) => `concordat/v1/${name}.proto`);
/** A status travels in the trailer of an error, not in a message of ours. */
const TRAILER = 'concordat/v1/error_details.proto';
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
root.loadSync([...FILES, TRAILER]).resolveAll();
const messages = (root.lookup('concordat.v1') as protobuf.Namespace).nestedArray
  .filter((one) => one instanceof protobuf.Service)
  .flatMap(({ methodsArray }) => methodsArray)
  .flatMap(({ resolvedRequestType, resolvedResponseType }) => [resolvedRequestType, resolvedResponseType])
  .filter((type) => type !== null);
writeFileSync(join(target, 'codecs.ts'), emitCodecs(messages, { encoding: '../wire/encoding', types: '.' }));

const json = JSON.stringify(root.toJSON());
writeFileSync(
  join(target, 'definition.ts'),
  `// Written by \`npm run gen\` from the files in proto/. Do not edit.\nimport type { INamespace } from 'protobufjs';\n\nexport const DEFINITION = JSON.parse(${JSON.stringify(json)}) as INamespace;\n`,
);
