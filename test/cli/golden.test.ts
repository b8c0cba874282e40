// What the commands that look show, kept whole in golden files: the JSON documents, and the screens.
import { describe, expect, it } from 'vitest';
import { ask, NEEDY } from './ask.ts';
import { ID } from './scripted-coordinator.ts';

describe('JSON is a contract (version 1)', () => {
  it.each<[string, readonly string[], number]>([
    ['status', ['status'], 8],
    ['tx-list', ['tx', 'list'], 0],
    ['tx-show', ['tx', 'show', ID], 0],
    ['tx-explain', ['tx', 'explain', ID], 0],
    ['tx-retry', ['tx', 'retry', ID], 0],
    ['resource-list', ['resource', 'list'], 6],
    ['resource-health', ['resource', 'health'], 6],
    ['resource-check', ['resource', 'check', 'accounts'], 4],
    ['resource-scan', ['resource', 'scan', 'accounts'], 0],
    ['log-status', ['log', 'status'], 0],
    ['log-backup', ['log', 'backup', 'log.db'], 0],
    ['doctor', ['doctor'], 6],
  ])('%s keeps its document', async (name, args, exit) => {
    const result = await ask([...args, '--output', 'json'], NEEDY);
    // Warnings are documents, too, one on each line.
    const warnings = result.stderr.split('\n').filter((line) => line !== '');
    expect(warnings.map((line) => JSON.parse(line))).toEqual(
      name === 'status' || name === 'resource-list'
        ? [{ version: 1, kind: 'warning', message: expect.stringContaining('Nobody speaks for orders for 5m 0s') }]
        : [],
    );
    expect(result.exit).toBe(exit);
    expect(JSON.parse(result.stdout)).toMatchObject({ version: 1, kind: expect.any(String) });
    const text = result.stdout.replace(`"finding": "${process.versions.node}"`, '"finding": "<node>"');
    await expect(text).toMatchFileSnapshot(`golden/${name}.json.golden`);
  });

  it.each<[string, readonly string[]]>([
    ['status', ['status']],
    ['tx-list', ['tx', 'list']],
    ['tx-explain', ['tx', 'explain', ID]],
    ['resource-list', ['resource', 'list']],
    ['resource-health', ['resource', 'health']],
    ['resource-scan', ['resource', 'scan', 'accounts']],
    ['doctor', ['doctor']],
  ])('%s keeps its screen', async (name, args) => {
    const result = await ask(args, NEEDY);
    const text = result.stdout.replace(`node: ${process.versions.node}`, 'node: <node>');
    await expect(text).toMatchFileSnapshot(`golden/${name}.txt.golden`);
  });
});
