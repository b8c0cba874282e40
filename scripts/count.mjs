// Adds up what `.ci/run` ran: `N passed, N failed` on the last line, exit code 1 if anything failed.
import { readFileSync } from 'node:fs';

const [testReport, testExitCode, staticReport] = process.argv.slice(2);
let passed = 0;
let failed = 0;

const report = readJson(testReport);
for (const file of report?.testResults ?? []) {
  const states = file.assertionResults.map(({ status }) => status);
  passed += states.filter((status) => status === 'passed').length;
  const failures = states.filter((status) => status === 'failed').length;
  // A file that could not be loaded, or whose hook failed, has no failed test of its own.
  failed += failures === 0 && file.status === 'failed' ? 1 : failures;
}
// No report, no tests, or an error outside of every test: vitest says so by its exit code only.
if (failed === 0 && (testExitCode !== '0' || passed === 0)) {
  failed += 1;
}

const checks = readText(staticReport).split('\n');
const passedChecks = checks.filter((line) => line.startsWith('ok     ')).length;
const failedChecks = checks.filter((line) => line.startsWith('FAILED ')).length;
passed += passedChecks;
failed += failedChecks + (passedChecks + failedChecks === 0 ? 1 : 0);

process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
