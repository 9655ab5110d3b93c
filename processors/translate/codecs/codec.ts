import { visible } from '../../visible.ts'

/**
 * Turns the bytes of a message into a tree of plain objects, arrays, texts, numbers, booleans, null
 * and bigints. It looks at nothing else, so that a replay gives the same.
 *
 * Every codec holds to this, whatever the bytes are:
 * - it throws nothing but CodecError;
 * - objects and arrays are nested at most MOST_DEPTH deep, so that what walks them may recurse;
 * - its work and memory grow with the length of the payload, not faster;
 * - a member of any name, `__proto__` too, is an own property of its object;
 * - a number may be Infinity or NaN if the encoding has those or the text is too large for a
 *   double. An integer beyond ±(2^53 − 1) is a bigint.
 * - a member that is there twice is a RepeatedMember, so that only who uses it refuses it.
 * @param receivedMicros when the message was received, microseconds since 1970
 * @throws CodecError
 */
export type Codec = (payload: Buffer, receivedMicros: number) => unknown

export const MOST_DEPTH = 64
/** Records of one message, in the codecs that have records. */
export const MOST_RECORDS = 10_000
const MOST_DETAIL_CHARACTERS = 300
const MOST_SHOWN_CHARACTERS = 40

/**
 * The payload is not what its codec reads. The message becomes a dead letter's detail: what was
 * expected, what is there instead and where. It is safe to print.
 */
export class CodecError extends Error {
  readonly code = 'bad-payload'
  constructor(detail: string, options?: ErrorOptions) {
    const text = visible(detail.slice(0, MOST_DETAIL_CHARACTERS))
    super(detail.length > MOST_DETAIL_CHARACTERS ? `${text}…` : text, options)
  }
}

/**
 * In place of the value of a member whose name is in its object more than once. No path leads into
 * it.
 */
export class RepeatedMember {
  readonly #values: unknown[]
  constructor(values: unknown[]) {
    this.#values = values
  }

  /** In the order of the payload; at least two. */
  get values(): readonly unknown[] {
    return this.#values
  }

  /** What to say of it in a detail. */
  toString(): string {
    return `a member that is there ${this.#values.length} times`
  }

  /** In a tree that is printed. */
  toJSON(): string {
    return this.toString()
  }

  add(value: unknown): void {
    this.#values.push(value)
  }
}

/** Adds a member. One that is there already becomes a RepeatedMember. */
export function addMember(object: Record<string, unknown>, name: string, value: unknown): void {
  if (!Object.hasOwn(object, name)) setMember(object, name, value)
  else {
    const before = object[name]
    if (before instanceof RepeatedMember) before.add(value)
    else setMember(object, name, new RepeatedMember([before, value]))
  }
}

function setMember(object: Record<string, unknown>, name: string, value: unknown): void {
  // By assignment it would become the object's prototype.
  if (name === '__proto__') Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true })
  else object[name] = value
}

/** Text of a stranger as a detail shows it: in quotation marks, its beginning only. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MOST_SHOWN_CHARACTERS ? `${text.slice(0, MOST_SHOWN_CHARACTERS)}…` : text)
}

/** A byte as two hexadecimal digits. */
export function hexByte(byte: number | undefined): string {
  return (byte ?? 0).toString(16).padStart(2, '0')
}

/** An integer as the tree has it: a bigint only beyond ±(2^53 − 1). */
export function integerOf(value: bigint): number | bigint {
  const double = Number(value)
  return Number.isSafeInteger(double) ? double : value
}
