// Strict reading of a JSON file: `JSON.parse` keeps the last of two equal keys in silence, and half of a file is then a lie.
import { firstFault, placeOf } from './json-places.ts';

type JsonResult =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly message: string };

/** Strings first, so that braces inside them are not structure. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

/** The value of `text`, or why it is refused: no JSON, or an object that has a key twice (faults B57). */
export function parseStrictJson(text: string): JsonResult {
  const foreign = encodingProblem(text);
  if (foreign !== undefined) {
    return { kind: 'refused', message: foreign };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The place and nothing else: JSON.parse shows some of the text around it, which may be half of a password.
    const { line, column } = placeOf(text, firstFault(text) ?? text.length);
    return { kind: 'refused', message: `it is not JSON: see line ${line}, column ${column}` };
  }
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined) {
    return {
      kind: 'refused',
      message: `the key ${JSON.stringify(duplicate.key)} is there twice, again in line ${duplicate.line}`,
    };
  }
  return { kind: 'value', value };
}

/** Editors write these marks, and none of them shows them. */
function encodingProblem(text: string): string | undefined {
  if (text.startsWith('\ufeff')) {
    return 'it begins with a byte order mark (BOM), which JSON does not allow: save it as UTF-8 without BOM';
  }
  return text.startsWith('\ufffd\ufffd') || text.includes('\0')
    ? 'it is not UTF-8 text, perhaps UTF-16: save it as UTF-8 without BOM'
    : undefined;
}

/** The first repeated key of a text that is valid JSON. */
function duplicateKey(text: string): { readonly key: string; readonly line: number } | undefined {
  // For each open bracket: the keys so far, or undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  let keyNext = false;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    switch (token) {
      case '{':
        open.push(new Set());
        keyNext = true;
        break;
      case '[':
        open.push(undefined);
        keyNext = false;
        break;
      case '}':
      case ']':
        open.pop();
        keyNext = false;
        break;
      case ',':
        // In an array nothing is a key, and there is no set to remember it in.
        keyNext = true;
        break;
      default:
        if (keyNext) {
          // Escapes make equal keys look different, so it is the value of the key that counts.
          const key = String(JSON.parse(token));
          const keys = open.at(-1);
          if (keys?.has(key) === true) {
            return { key, line: placeOf(text, index).line };
          }
          keys?.add(key);
          keyNext = false;
        }
    }
  }
  return undefined;
}
