// Codecs made for each type of message: between an object and its bytes without the second object that proto-loader makes each way, which
// costs more than the bytes do (ADR 9). What they take and give is what proto-loader's take and give with the options in proto.ts.
import protobuf, { type Enum, type Field, type Reader, type Type } from 'protobufjs';
import { ENTRY_KEY, ENTRY_VALUE, readEntry, readName, readSigned, readUnsigned } from './wire-reading.ts';
import { WireWriter } from './wire-writer.ts';

export interface Codec {
  /** @throws {TypeError} for what has not the type's shape. */
  readonly encode: (message: object) => Buffer;
  /** @throws {Error} for bytes that are no message. Fields of a newer protocol are skipped. */
  readonly decode: (bytes: Buffer) => object;
}

/** What JavaScript is made of for a kind of field. */
interface Kind {
  readonly wireType: number;
  /** A statement that writes `value` with `w`. */
  readonly write: string;
  /** An expression that reads a value with `r`. */
  readonly read: string;
  /** An expression for what an absent field reads as. */
  readonly absent: string;
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;

const SCALARS: Readonly<Record<string, Kind>> = {
  bool: { wireType: VARINT, write: 'w.uint32(value ? 1 : 0);', read: 'r.bool()', absent: 'false' },
  uint32: { wireType: VARINT, write: 'w.uint32(value);', read: 'r.uint32()', absent: '0' },
  int32: { wireType: VARINT, write: 'w.int32(value);', read: 'r.int32()', absent: '0' },
  uint64: { wireType: VARINT, write: 'w.uint64(value);', read: 'readUnsigned(r)', absent: '"0"' },
  sint64: { wireType: VARINT, write: 'w.sint64(value);', read: 'readSigned(r)', absent: '"0"' },
  double: { wireType: FIXED64, write: 'w.double(value);', read: 'r.double()', absent: '0' },
  string: { wireType: LENGTH, write: 'w.string(value);', read: 'r.string()', absent: '""' },
  bytes: { wireType: LENGTH, write: 'w.bytes(value);', read: 'r.bytes()', absent: 'NO_BYTES' },
};
/** The one map that there is; each entry is a message of its own. */
const TEXTS: Kind = {
  wireType: LENGTH,
  write: `const start = w.open(); w.uint32(${ENTRY_KEY}); w.string(key); w.uint32(${ENTRY_VALUE}); w.string(value); w.close(start);`,
  read: 'readEntry(r)',
  absent: '{}',
};

/** What the made functions use by name: helpers, and each other. */
const scope: Record<string, unknown> = { readUnsigned, readSigned, readName, readEntry, NO_BYTES: Buffer.alloc(0) };
const made = new Set<string>();
const writer = new WireWriter();

/** @throws {Error} for a type with a field of a kind that our protocol does not have, or that is a part of itself. */
export function codecOf(type: Type): Codec {
  make(type);
  const write = scope[`write${idOf(type)}`] as (writer: WireWriter, message: object) => void;
  const read = scope[`read${idOf(type)}`] as (reader: Reader, end: number) => object;
  return {
    encode(message) {
      writer.begin();
      write(writer, message);
      return writer.finish();
    },
    decode: (bytes) => read(protobuf.Reader.create(bytes), bytes.length),
  };
}

function make(type: Type): void {
  const id = idOf(type);
  if (made.has(id)) {
    return;
  }
  made.add(id);
  const fields = type.fieldsArray.map((field) => ({ field, kind: kindOf(field.resolve()) }));
  const absent = [
    ...fields.map(({ field, kind }) => `${field.name}: ${absence(field, kind)}`),
    ...type.oneofsArray.map((oneof) => `${oneof.name}: undefined`),
  ];
  compile(`write${id}`, 'w, m', fields.map(({ field, kind }) => writing(field, kind)).join('\n'));
  compile(
    `read${id}`,
    'r, end',
    `const m = { ${absent.join(', ')} };
while (r.pos < end) {
  const tag = r.uint32();
  switch (tag) {
    ${fields.map(({ field, kind }) => `case ${tagOf(field, kind)}: ${reading(field, kind)} break;`).join('\n    ')}
    default: r.skipType(tag & 7);
  }
}
return m;`,
  );
}

function kindOf(field: Field): Kind {
  const { resolvedType, type, fullName } = field;
  if (field.map && type === 'string') {
    return TEXTS;
  }
  if (resolvedType instanceof protobuf.Type) {
    make(resolvedType);
    const id = idOf(resolvedType);
    if (scope[`read${id}`] === undefined) {
      throw new Error(`no codec is made for a message within itself, as ${fullName}`);
    }
    return {
      wireType: LENGTH,
      write: `const start = w.open(); write${id}(w, value); w.close(start);`,
      read: `read${id}(r, r.uint32() + r.pos)`,
      absent: 'null',
    };
  }
  if (resolvedType instanceof protobuf.Enum && !field.repeated) {
    const { values, valuesById } = resolvedType;
    const id = idOf(resolvedType);
    scope[`numbers${id}`] = values;
    scope[`names${id}`] = valuesById;
    return {
      wireType: VARINT,
      write: `w.uint32(typeof value === 'number' ? value : numbers${id}[value] ?? 0);`,
      read: `readName(r, names${id})`,
      absent: JSON.stringify(valuesById[0]),
    };
  }
  const scalar = SCALARS[type];
  if (scalar === undefined || field.map || (field.repeated && scalar.wireType !== LENGTH)) {
    throw new Error(`no codec is made for a field like ${fullName}`);
  }
  return scalar;
}

/** As a part of JavaScript's names. */
function idOf({ fullName }: Type | Enum): string {
  return fullName.replaceAll('.', '_');
}

function tagOf(field: Field, { wireType }: Kind): number {
  return (field.id << 3) | wireType;
}

function writing(field: Field, kind: Kind): string {
  const put = `w.uint32(${tagOf(field, kind)}); ${kind.write}`;
  if (field.map) {
    return `if (m.${field.name}) { for (const [key, value] of Object.entries(m.${field.name})) { ${put} } }`;
  }
  if (field.repeated) {
    return `if (m.${field.name}) { for (const value of m.${field.name}) { ${put} } }`;
  }
  // Of a oneof it counts which member is there, whatever its value; elsewhere what reads as absent need not be written.
  const isThere = field.partOf === null ? 'value' : 'value !== undefined && value !== null';
  return `{ const value = m.${field.name}; if (${isThere}) { ${put} } }`;
}

function reading(field: Field, { read }: Kind): string {
  if (field.map) {
    return `{ const [key, value] = ${read}; m.${field.name}[key] = value; }`;
  }
  if (field.repeated) {
    return `m.${field.name}.push(${read});`;
  }
  return field.partOf === null
    ? `m.${field.name} = ${read};`
    : `if (m.${field.partOf.name} !== undefined) { m[m.${field.partOf.name}] = undefined; } m.${field.name} = ${read}; m.${field.partOf.name} = '${field.name}';`;
}

function absence(field: Field, { absent }: Kind): string {
  if (field.repeated) {
    return '[]';
  }
  return field.partOf === null ? absent : 'undefined';
}

function compile(name: string, parameters: string, body: string): void {
  const names = Object.keys(scope);
  const source = `return function ${name}(${parameters}) {\n${body}\n};`;
  scope[name] = new Function(...names, source)(...Object.values(scope));
}
