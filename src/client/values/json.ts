// JSON between JavaScript and the databases without loss: their numbers have any length, and JavaScript's have 53 bits.

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
/** As in the language since 2025 (JSON.parse source text access); the library of types does not have it yet. */
const parse = JSON.parse as (text: string, reviver?: Reviver) => unknown;
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** Only a number of 16 digits and more, or one with an exponent, may be another one as a `number`. */
const MAY_LOSE = /\d[\d.]{15}|\d[eE]/;
const INTEGER = /^-?\d+$/;
const NUMBER = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * As `JSON.parse`, but an integer that is not exact as a `number` is a `bigint`, and another number that is not is its text: as columns
 * of these types come.
 * @throws {SyntaxError}
 */
export function parseJson(text: string): unknown {
  return MAY_LOSE.test(text) ? parse(text, exactly) : parse(text);
}

const exactly: Reviver = (_, value, { source }) => {
  if (typeof value !== 'number' || source === undefined) {
    return value;
  }
  if (INTEGER.test(source)) {
    return Number.isSafeInteger(value) ? value : BigInt(source);
  }
  return canonical(source) === canonical(String(value)) ? value : source;
};

/** Equal for texts of one number. JavaScript writes the shortest one that it reads again as the same. */
function canonical(text: string): string {
  const [, whole = '', fraction = '', exponent = '0'] = NUMBER.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  return short === '' ? '0' : `${short}e${Number(exponent) - fraction.length + digits.length - short.length}`;
}

/**
 * As `JSON.stringify`, with integers of any length from `bigint`, and with the sign of a zero.
 * @throws {TypeError} `what` holds something that JSON would lose without a word: NaN, an infinity, a Map or a Set.
 */
export function writeJson(value: object, what: string): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'bigint') {
      return rawJSON(part.toString());
    }
    if (typeof part === 'number') {
      if (!Number.isFinite(part)) {
        throw new TypeError(`${what} holds ${part}, which JSON does not have`);
      }
      return Object.is(part, -0) ? rawJSON('-0') : part;
    }
    if (part instanceof Map || part instanceof Set) {
      throw new TypeError(
        `${what} holds a ${part.constructor.name}, of which JSON would keep nothing; pass a plain object`,
      );
    }
    return part;
  });
}
