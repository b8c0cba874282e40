// Writes src/gen/codecs.ts: for each message a function that writes it and one that reads it, as plain TypeScript (ADR 9). What they take
// and give is what proto-loader's codecs take and give with the options in src/wire/proto.ts.
import protobuf, { type Enum, type Field, type Type } from 'protobufjs';

/** Where the emitted file finds what it imports, as module specifiers: the folder of the reader and writer, and of the messages' types. */
export interface Places {
  readonly encoding: string;
  readonly types: string;
}

/** What TypeScript is made of for a kind of field. */
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
  uint64: { wireType: VARINT, write: 'w.uint64(value);', read: 'readUnsigned(r)', absent: "'0'" },
  sint64: { wireType: VARINT, write: 'w.sint64(value);', read: 'readSigned(r)', absent: "'0'" },
  double: { wireType: FIXED64, write: 'w.double(value);', read: 'r.double()', absent: '0' },
  string: { wireType: LENGTH, write: 'w.string(value);', read: 'readText(r)', absent: "''" },
  bytes: { wireType: LENGTH, write: 'w.bytes(value);', read: 'r.bytes() as Buffer', absent: 'NO_BYTES' },
};
/** The one map that there is; each entry is a message of its own. */
const TEXTS: Kind = {
  wireType: LENGTH,
  write:
    'const start = w.open(); w.uint32(ENTRY_KEY); w.string(key); w.uint32(ENTRY_VALUE); w.string(value); w.close(start);',
  read: 'readEntry(r)',
  absent: '{}',
};

/** What emitted functions may use of src/wire/encoding/reading.ts. */
const READING = [
  ...['ENTRY_KEY', 'ENTRY_VALUE', 'NO_BYTES', 'checkEnd', 'endOfPart', 'one'],
  ...['readEntry', 'readName', 'readSigned', 'readText', 'readUnsigned'],
];

/**
 * The file's text, for `types` and all that is within them.
 *
 * @throws {Error} for a field of a kind that our protocol does not have, and for a message within itself.
 */
export function emitCodecs(types: readonly Type[], places: Places): string {
  const all = new Set<Type | Enum>();
  for (const type of types) {
    collect(type, all, []);
  }
  const messages = [...all].filter((one) => one instanceof protobuf.Type);
  const enums = [...all].filter((one) => one instanceof protobuf.Enum);
  const functions = [...enums.map(emitEnum), ...messages.map(emitMessage)].join('\n');
  const used = READING.filter((name) => new RegExp(`\\b${name}\\b`).test(functions));
  return [
    '// Written by `npm run gen` from the files in proto/. Do not edit.',
    "import type { Reader } from 'protobufjs';",
    `import { ${used.join(', ')} } from '${places.encoding}/reading.ts';`,
    `import type { WireWriter } from '${places.encoding}/writer.ts';`,
    ...messages.map((type) => importOf(type, places)),
    '',
    '/** A member of a oneof that is not there is undefined, and not missing: all objects of a message have one shape. */',
    'type Read<M> = { [K in keyof M]: undefined extends Pick<M, K>[K] ? M[K] | undefined : M[K] };',
    '',
    functions,
    'export const CODECS = {',
    ...messages.map((type) => `  '${nameOf(type)}': { write: write_${idOf(type)}, read: read_${idOf(type)} },`),
    '} as const;',
    '',
  ].join('\n');
}

function collect(type: Type, all: Set<Type | Enum>, around: readonly Type[]): void {
  all.add(type);
  for (const field of type.fieldsArray) {
    const { resolvedType } = field.resolve();
    if (resolvedType instanceof protobuf.Enum) {
      all.add(resolvedType);
    } else if (resolvedType instanceof protobuf.Type) {
      if (resolvedType === type || around.includes(resolvedType)) {
        throw new Error(`a message within itself is not supported: ${field.fullName}`);
      }
      collect(resolvedType, all, [...around, type]);
    }
  }
}

function emitEnum(type: Enum): string {
  const id = idOf(type);
  return [
    `const numbers_${id}: Readonly<Record<string, number>> = ${JSON.stringify(type.values)};`,
    `const names_${id}: Readonly<Record<number, string>> = ${JSON.stringify(type.valuesById)};`,
    '',
  ].join('\n');
}

function emitMessage(type: Type): string {
  const id = idOf(type);
  const fields = type.fieldsArray.map((field) => ({ field, kind: kindOf(field) }));
  const absent = [
    ...fields.map(({ field, kind }) => `${field.name}: ${absence(field, kind)}`),
    ...type.oneofsArray.map((oneof) => `${oneof.name}: undefined`),
  ];
  const parameters = fields.length === 0 ? `_w: WireWriter, _m: ${id}` : `w: WireWriter, m: ${id}`;
  return `function write_${id}(${parameters}): void {
${fields.map(({ field, kind }) => `  ${writing(field, kind)}\n`).join('')}}

function read_${id}(r: Reader, end: number): ${id}__Output {
  const m: Read<${id}__Output> = { ${absent.join(', ')} };
  while (r.pos < end) {
    const tag = r.uint32();
    switch (tag) {
${fields
  .flatMap(({ field, kind }) => cases(field, kind))
  .map((line) => `      ${line}\n`)
  .join('')}      default: r.skipType(tag & 7);
    }
  }
  checkEnd(r, end);
  return m as ${id}__Output;
}
`;
}

function kindOf(field: Field): Kind {
  const { resolvedType, type, fullName } = field;
  if (field.map && type === 'string') {
    return TEXTS;
  }
  if (resolvedType instanceof protobuf.Type) {
    const id = idOf(resolvedType);
    return {
      wireType: LENGTH,
      write: `const start = w.open(); write_${id}(w, value); w.close(start);`,
      read: `read_${id}(r, endOfPart(r))`,
      absent: 'null',
    };
  }
  if (resolvedType instanceof protobuf.Enum) {
    const id = idOf(resolvedType);
    return {
      wireType: VARINT,
      write: `w.uint32(typeof value === 'number' ? value : numbers_${id}[value] ?? 0);`,
      // A value of a newer protocol stays a number, which the types do not say.
      read: `readName(r, names_${id}) as never`,
      absent: `'${resolvedType.valuesById[0]}'`,
    };
  }
  const scalar = SCALARS[type];
  if (scalar === undefined || field.map || (field.repeated && scalar.wireType !== LENGTH)) {
    throw new Error(`no codec is made for a field like ${fullName}`);
  }
  return scalar;
}

function nameOf({ fullName }: Type | Enum): string {
  return fullName.slice(1);
}

/** As a part of the names in the file. */
function idOf(type: Type | Enum): string {
  return nameOf(type).replaceAll('.', '_');
}

function importOf(type: Type, { types }: Places): string {
  const id = idOf(type);
  const path = `${types}/${nameOf(type).replaceAll('.', '/')}.ts`;
  return `import type { ${type.name} as ${id}, ${type.name}__Output as ${id}__Output } from '${path}';`;
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
    return `if (m.${field.name} && m.${field.name}.length > 0) { w.uint32(${packedTag(field)}); const start = w.open(); ${values} w.close(start); }`;
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
  const packed = `case ${packedTag(field)}: { const stop = endOfPart(r); while (r.pos < stop) { ${reading(field, kind)} } checkEnd(r, stop); break; }`;
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
