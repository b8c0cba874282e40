// The files in proto/ are all that a program in another language has: each thing in them is explained where it stands.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf, { type ReflectionObject } from 'protobufjs';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../proto');
const FILES = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.proto'));

/** Services, calls, messages, fields, oneofs, enums and their values that have no comment. */
function bare(one: ReflectionObject): string[] {
  const own =
    one instanceof protobuf.Root || one.constructor === protobuf.Namespace || one.comment ? [] : [one.fullName];
  if (one instanceof protobuf.Enum) {
    const values = Object.keys(one.values).filter((name) => !one.comments[name]);
    return [...own, ...values.map((name) => `${one.fullName}.${name}`)];
  }
  const within: readonly ReflectionObject[] =
    one instanceof protobuf.Type
      ? [...one.fieldsArray, ...one.oneofsArray, ...one.nestedArray]
      : one instanceof protobuf.Service
        ? one.methodsArray
        : one instanceof protobuf.Namespace
          ? one.nestedArray
          : [];
  return [...own, ...within.flatMap(bare)];
}

describe.each(FILES)('%s', (file) => {
  const text = readFileSync(join(ROOT, file), 'utf8');

  test('has a comment on every service, call, message, field and value', () => {
    const { root } = protobuf.parse(text, { alternateCommentMode: true });
    expect(bare(root)).toEqual([]);
  });

  test('names its package for Go and Java, and no line is too long to be read', () => {
    expect(text).toContain('option go_package = "concordat.dev/proto/concordat/v1;concordatv1";');
    expect(text).toContain('option java_package = "dev.concordat.v1";');
    expect(text).toContain('option java_multiple_files = true;');
    expect(text.split('\n').filter((line) => line.length > 150)).toEqual([]);
  });
});

test('every package is our own: a file of Google’s name would clash with Google’s in one process', () => {
  expect(FILES.map((file) => file.slice(0, file.lastIndexOf('/')))).toEqual(FILES.map(() => 'concordat/v1'));
});
