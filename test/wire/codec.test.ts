// The codecs of the batched streams against proto-loader's: whatever a message holds, both write what the other reads, and read it alike.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import protobuf, { type Enum, type Field, type OneOf, type Type } from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { emitCodecs } from '../../scripts/gen/codecs.ts';
import { type Codec, codecFrom, codecOf, type GeneratedCodec } from '../../src/wire/codec.ts';
import { messageType } from '../../src/wire/proto.ts';

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => join(import.meta.dirname, '../../proto', target);
root
  .loadSync(['transaction', 'participant', 'resource', 'admin'].map((name) => `concordat/v1/${name}.proto`))
  .resolveAll();

const SERVICES = ['TransactionService', 'ParticipantService', 'ResourceService', 'AdminService'];
/** Whatever travels by itself: frames of streams, requests and answers of calls. */
const MESSAGES = SERVICES.flatMap((name) => root.lookupService(`concordat.v1.${name}`).methodsArray).flatMap(
  ({ resolvedRequestType, resolvedResponseType }) => [
    resolvedRequestType?.fullName.slice(1) ?? '',
    resolvedResponseType?.fullName.slice(1) ?? '',
  ],
);

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const sint64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme-ascii' }),
  fc.integer({ min: 50, max: 150 }).map((length) => 'x'.repeat(length)),
);

const SCALARS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  uint32: fc.nat({ max: 0xffffffff }),
  int32: fc.integer(),
  // As numbers, too, where they can be exact.
  uint64: fc.oneof(uint64.map(String), fc.maxSafeNat()),
  sint64: fc.oneof(sint64.map(String), fc.maxSafeInteger()),
  double: fc.double(),
  string: text,
  bytes: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
};

function arbitraryOf(field: Field): fc.Arbitrary<unknown> {
  const { resolvedType, type } = field.resolve();
  if (resolvedType instanceof protobuf.Type) {
    return messageOf(resolvedType);
  }
  if (resolvedType instanceof protobuf.Enum) {
    return fc.oneof(fc.constantFrom(...Object.keys((resolvedType as Enum).values)), fc.integer({ min: 100, max: 300 }));
  }
  return SCALARS[type] ?? fc.constant(undefined);
}

function fieldOf(field: Field): fc.Arbitrary<unknown> {
  if (field.map) {
    return fc.dictionary(text, text, { maxKeys: 3 });
  }
  return field.repeated ? fc.array(arbitraryOf(field), { maxLength: 3 }) : arbitraryOf(field);
}

const isMessage = (field: Field): boolean => field.resolvedType instanceof protobuf.Type && !field.repeated;

function messageOf(type: Type): fc.Arbitrary<object> {
  const own = type.fieldsArray.filter(({ partOf }) => partOf === null);
  const fields = own.map((field): [string, fc.Arbitrary<unknown>] => [
    field.name,
    isMessage(field.resolve()) ? fc.option(fieldOf(field)) : fieldOf(field),
  ]);
  const members = ({ fieldsArray }: OneOf): fc.Arbitrary<object> =>
    fc.oneof(
      fc.constant({}),
      ...fieldsArray.map((field) => fieldOf(field.resolve()).map((value) => ({ [field.name]: value }))),
    );
  return fc
    .tuple(fc.record(Object.fromEntries(fields), { requiredKeys: [] }), ...type.oneofsArray.map(members))
    .map((parts): object => Object.assign({}, ...parts));
}

/** The codec of a message that is not ours, from code that is emitted now. */
async function emittedCodecOf(type: Type): Promise<Codec> {
  const folder = mkdtempSync(join(tmpdir(), 'codecs-'));
  try {
    const file = join(folder, 'codecs.ts');
    const encoding = join(import.meta.dirname, '../../src/wire/encoding');
    writeFileSync(file, emitCodecs([type], { encoding, types: '.' }));
    const { CODECS } = (await import(pathToFileURL(file).href)) as { CODECS: Record<string, GeneratedCodec> };
    return codecFrom(CODECS[type.fullName.slice(1)] as GeneratedCodec);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.each([...new Set(MESSAGES)])('a message of %s', (name) => {
  const type = root.lookupType(name);
  const ours = codecOf(name);
  const theirs = messageType<object>(name);

  test('is read by proto-loader as what it writes itself', () => {
    fc.assert(
      fc.property(messageOf(type), (frame) => {
        expect(theirs.deserialize(ours.encode(frame))).toEqual(theirs.deserialize(theirs.serialize(frame)));
      }),
      { numRuns: 150 },
    );
  });

  test("written by proto-loader, is read as proto-loader's own reading", () => {
    fc.assert(
      fc.property(messageOf(type), (frame) => {
        const bytes = theirs.serialize(frame);
        expect(ours.decode(bytes)).toEqual(theirs.deserialize(bytes));
      }),
      { numRuns: 150 },
    );
  });

  test('that is cut off or garbled is an error or a message, never a crash or an endless loop', () => {
    fc.assert(
      fc.property(messageOf(type), fc.nat(), fc.uint8Array({ maxLength: 8 }), (frame, at, garbage) => {
        const bytes = ours.encode(frame);
        const place = at % (bytes.length + 1);
        for (const bad of [bytes.subarray(0, place), Buffer.concat([bytes.subarray(0, place), garbage])]) {
          try {
            expect(ours.decode(bad)).toBeTypeOf('object');
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('a message', () => {
  const ours = codecOf('concordat.v1.ResourceSessionResponse');
  const theirs = messageType<object>('concordat.v1.ResourceSessionResponse');
  const rows = (count: number, length: number): object => {
    const values = [{ text: 'ä'.repeat(length) }, { bytes: Buffer.alloc(length, 7) }, { int: -length }];
    return { replies: [{ id: 1, execute: { rows: Array.from({ length: count }, () => ({ values })) } }] };
  };

  test('of any length has its lengths right', () => {
    for (const length of [1, 10, 20, 30, 40, 60, 63, 64, 126, 127, 128, 16_383, 16_384, 70_000, 2_200_000]) {
      const frame = rows(2, length);
      expect(ours.encode(frame).equals(theirs.serialize(frame)), String(length)).toBe(true);
      expect(ours.decode(ours.encode(frame)), String(length)).toEqual(theirs.deserialize(theirs.serialize(frame)));
    }
  });

  test('has its integers exact, of whatever length', () => {
    // Next to the powers of two the encoding changes its length, and the codec its ways.
    const edges = Array.from({ length: 64 }, (_, power) => 2n ** BigInt(power)).flatMap((at) => [at - 1n, at, at + 1n]);
    const values = edges.flatMap((value) => [BigInt.asIntN(64, value), BigInt.asIntN(64, -value)]);
    for (const value of values) {
      const execute = { rowCount: String(BigInt.asUintN(64, value)), rows: [{ values: [{ int: String(value) }] }] };
      const frame = { replies: [{ id: Number(BigInt.asUintN(32, value)), execute }] };
      expect(theirs.deserialize(ours.encode(frame)), String(value)).toMatchObject(frame);
      expect(ours.decode(theirs.serialize(frame)), String(value)).toMatchObject(frame);
    }
  });

  test('that cannot be written leaves nothing behind in the next one', () => {
    const frame = rows(1, 5);
    const before = ours.encode(frame);
    expect(() => ours.encode({ replies: [{ id: 1, execute: { insertId: 'seven' } }] })).toThrow(SyntaxError);
    expect(ours.encode(frame).equals(before)).toBe(true);
  });

  test('that JavaScript has given other types of values is written as by proto-loader', () => {
    const request = codecOf('concordat.v1.ExecuteRequest');
    const theirRequest = messageType<object>('concordat.v1.ExecuteRequest');
    const loose = { sql: 5, gtrid: true, parameters: [{ bytes: 'aGk=' }, { int: '3' }], timeoutMs: '7', last: 'yes' };
    expect(theirRequest.deserialize(request.encode(loose))).toEqual(
      theirRequest.deserialize(theirRequest.serialize(loose)),
    );
  });

  test('written stays as it is when the next one is written', () => {
    const first = ours.encode(rows(1, 5));
    const copy = Buffer.from(first);
    ours.encode(rows(3, 9));
    expect(first.equals(copy)).toBe(true);
  });

  test('in which a text, a part or a field is cut short is an error, wherever that is (security X14)', async () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), (missing) => {
        const whole = ours.encode({ replies: [{ id: 1, error: { reason: 'x'.repeat(300), metadata: { a: 'b' } } }] });
        expect(() => ours.decode(whole.subarray(0, whole.length - missing))).toThrow();
      }),
    );
    const text = protobuf.parse(
      'syntax = "proto3"; package cut; message Text { string a = 1; Text2 b = 2; } message Text2 { string a = 1; }',
    );
    const cut = await emittedCodecOf(text.root.resolveAll().lookupType('cut.Text'));
    expect(() => cut.decode(Buffer.from([0x0a, 5, 97, 98]))).toThrow(/cut short/);
    expect(() => cut.decode(Buffer.from([0x12, 3, 0x0a, 5, 97, 98, 99, 100, 101]))).toThrow(/longer than its message/);
    expect(() => cut.decode(Buffer.from([0x12, 3, 0x0a]))).toThrow(/cut short/);
  });

  test('has its list of enum values read packed and not packed', () => {
    const listing = codecOf('concordat.v1.ListTransactionsRequest');
    const states = ['TRANSACTION_STATE_ACTIVE', 'TRANSACTION_STATE_PREPARING'];
    const packed = listing.encode({ states });
    const values = [...packed.subarray(2)];
    const single = Buffer.from(values.flatMap((value) => [(packed[0] ?? 0) & ~7, value]));
    expect(listing.decode(packed)).toMatchObject({ states });
    expect(listing.decode(single)).toMatchObject({ states });
  });

  test('with two members of a oneof is the one that came last', () => {
    const reply = messageType<object>('concordat.v1.ResourceReply');
    const two = Buffer.concat([reply.serialize({ error: { code: 3 } }), reply.serialize({ execute: { rowCount: 2 } })]);
    const frame = Buffer.concat([Buffer.from([0x0a, two.length]), two]);
    const { replies } = ours.decode(frame) as {
      replies: readonly { body: string; error?: object; execute?: object }[];
    };
    expect(replies).toHaveLength(1);
    expect(replies[0]).toMatchObject({ body: 'execute', execute: { rowCount: '2' } });
    expect(replies[0]?.error).toBeUndefined();
  });

  test('of a newer protocol is read without what is new', () => {
    const next = protobuf
      .parse(`syntax = "proto3"; package next;
      message Frame { repeated Reply replies = 1; fixed64 a = 90; fixed32 b = 91; string c = 92; Reply d = 93; int64 e = 94; }
      message Reply { uint32 id = 1; string new = 4000; }`)
      .root.lookupType('next.Frame');
    const reply = { id: 7, new: 'thing' };
    const bytes = next.encode(next.fromObject({ replies: [reply], a: 5, b: 6, c: 'seven', d: reply, e: -8 })).finish();
    expect(ours.decode(Buffer.from(bytes))).toEqual({ replies: [{ id: 7 }] });
  });

  test('with a field of another kind than our protocol has is refused when its codec is made', () => {
    const emitted = (from: protobuf.Root, name: string): string =>
      emitCodecs([from.resolveAll().lookupType(name)], { encoding: '.', types: '.' });
    const other = protobuf.parse('syntax = "proto3"; message Other { repeated uint32 numbers = 1; }').root;
    expect(() => emitted(other, 'Other')).toThrow(/Other\.numbers/);
    const within = protobuf.parse('syntax = "proto3"; message Within { Within parent = 1; }').root;
    expect(() => emitted(within, 'Within')).toThrow(/within itself is not supported: \.Within\.parent/);
  });

  test('has the names of enum values that do not follow one another', async () => {
    const text = 'syntax = "proto3"; package gaps; enum Kind { NONE = 0; FAR = 70; } message Gap { Kind kind = 1; }';
    const gap = await emittedCodecOf(protobuf.parse(text).root.resolveAll().lookupType('gaps.Gap'));
    expect(gap.decode(gap.encode({ kind: 'FAR' }))).toEqual({ kind: 'FAR' });
  });

  test('of another package may have the name of one of ours', async () => {
    const text = 'syntax = "proto3"; package other; message ResourceSessionResponse { string replies = 1; }';
    const other = await emittedCodecOf(
      protobuf.parse(text).root.resolveAll().lookupType('other.ResourceSessionResponse'),
    );
    expect(other.decode(other.encode({ replies: 'none' }))).toEqual({ replies: 'none' });
  });
});
