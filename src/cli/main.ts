// The entry of the `concordat` command, called by bin/concordat.mjs after its check of the Node version.
import { runCommandLine } from './program.ts';

// `concordat tx list | head` closes our output early: that is no error, and nobody is left to read one.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (stream.listenerCount('error') > 1) {
      return; // A server listens as well: its lines end here, and it does not.
    }
    // EIO: the terminal was closed.
    if (error.code !== 'EPIPE' && error.code !== 'EIO') {
      throw error;
    }
    process.exit();
  });
}

// What grpc-js would write to standard error by itself, we say in our own words, and as JSON where that is wanted.
process.env['GRPC_VERBOSITY'] ??= 'NONE';

await runCommandLine(process.argv.slice(2));
