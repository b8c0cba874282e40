// Strict reading of a JSON file: `JSON.parse` keeps the last of two equal keys in silence, and half of a file is then a lie.

export type JsonResult =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly message: string };

/** Strings first, so that braces inside them are not structure. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

/** The value of `text`, or why it is refused: no JSON, or an object that has a key twice (faults B57). */
export function parseStrictJson(text: string): JsonResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { kind: 'refused', message: `it is not JSON: ${error instanceof Error ? error.message : String(error)}` };
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
            return { key, line: text.slice(0, index).split('\n').length };
          }
          keys?.add(key);
          keyNext = false;
        }
    }
  }
  return undefined;
}
