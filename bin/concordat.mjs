#!/usr/bin/env node
// The concordat command. The Node version is looked at before anything is imported: on an old one the log's native addon
// ends the process with a segmentation fault instead of a sentence.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 24 || (major === 24 && minor < 11)) {
  process.stderr.write(
    `concordat needs Node 24.11 or newer, and this is ${process.version}: install a newer Node, or use \`npm start\` in a checkout, which fetches one.\n`,
  );
  process.exitCode = 2;
} else {
  const { existsSync } = await import('node:fs');
  // In a checkout the source, whatever was built from an older one; the package and the image have only what was built.
  const source = new URL('../src/cli/main.ts', import.meta.url);
  const built = new URL('../dist/cli/main.js', import.meta.url);
  await import(existsSync(source) ? source.href : built.href);
}
