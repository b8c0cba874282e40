// Codecs made for each type of message: between an object and its bytes without the second object that proto-loader makes each way, which
// costs more than the bytes do (ADR 9). What they take and give is what proto-loader's take and give with the options in proto.ts.
import protobuf, { type Enum, type Field, type Reader, type Type } from 'protobufjs';
import {
  checkEnd,
  countEntries,
  ENTRY_KEY,
  ENTRY_VALUE,
  endOfPart,
  one,
  readEntry,
  readName,
  readSigned,
  readText,
  readUnsigned,
} from './wire-reading.ts';
import { WireWriter } from './wire-writer.ts';

export interface Codec {
  /** @throws {TypeError} for what has not the type's shape. */
  readonly encode: (message: object) => Buffer;
  /**
   * Fields of a newer protocol are skipped. `entriesMax` bounds the entries of all lists and the messages within this one, counted while
   * they are read: two bytes on the wire are a hundred in memory.
   * @throws {Error} for bytes that are no message, or where anything in it is cut short.
   * @throws {CoordinatorError} `LIMIT_FRAME` as soon as there are more.
   */
  readonly decode: (bytes: Buffer, entriesMax?: number) => object;
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
  string: { wireType: LENGTH, write: 'w.string(value);', read: 'readText(r)', absent: '""' },
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
const scope: Record<string, unknown> = {
  readUnsigned,
  readSigned,
  readName,
  readEntry,
  readText,
  endOfPart,
  checkEnd,
  one,
  NO_BYTES: Buffer.alloc(0),
};
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
    decode(bytes, entriesMax = Number.POSITIVE_INFINITY) {
      countEntries(entriesMax);
      return read(protobuf.Reader.create(bytes), bytes.length);
    },
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
    ${fields.flatMap(({ field, kind }) => cases(field, kind)).join('\n    ')}
    default: r.skipType(tag & 7);
  }
}
checkEnd(r, end);
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
      read: `read${id}(r, endOfPart(r))`,
      absent: 'null',
    };
  }
  if (resolvedType instanceof protobuf.Enum) {
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
  if (isPacked(field)) {
    const values = `for (const value of m.${field.name}) { ${kind.write} }`;
    return `if (m.${field.name}?.length > 0) { w.uint32(${packedTag(field)}); const start = w.open(); ${values} w.close(start); }`;
  }
  if (field.repeated) {
    return `if (m.${field.name}) { for (const value of m.${field.name}) { ${put} } }`;
  }
  // Of a oneof it counts which member is there, whatever its value; elsewhere what reads as absent need not be written.
  const isThere = field.partOf === null ? 'value' : 'value !== undefined && value !== null';
  return `{ const value = m.${field.name}; if (${isThere}) { ${put} } }`;
}

function cases(field: Field, kind: Kind): string[] {
  const own = `case ${tagOf(field, kind)}: ${reading(field, kind)} break;`;
  // Whoever wrote it may have packed the list or not; both are to be read (protobuf's encoding guide).
  const packed = `case ${packedTag(field)}: { const end = endOfPart(r); while (r.pos < end) { ${reading(field, kind)} } checkEnd(r, end); break; }`;
  return isPacked(field) ? [own, packed] : [own];
}

/** A list of numbers: one field with all of them. Of these our protocol has enum values only. */
function isPacked(field: Field): boolean {
  return field.repeated && field.resolvedType instanceof protobuf.Enum;
}

function packedTag(field: Field): number {
  return (field.id << 3) | LENGTH;
}

function reading(field: Field, { read }: Kind): string {
  if (field.map) {
    return `{ const [key, value] = ${read}; m.${field.name}[key] = value; }`;
  }
  if (field.repeated) {
    // A message counts itself.
    return `${field.resolvedType instanceof protobuf.Type ? '' : 'one(); '}m.${field.name}.push(${read});`;
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
