import { exactDecimal, nearest } from '../../../schemas/conversion.ts'
import { isObject } from '../../../schemas/json.ts'
import { readCbor } from './cbor.ts'
import { addMember, CodecError, MOST_RECORDS, quoted, RepeatedMember } from './codec.ts'
import { decodeJson } from './json.ts'

/**
 * SenML (RFC 8428), JSON or CBOR: an array of resolved records, their fields under the names that
 * they have in JSON:
 * - `n` is the base name and the name, `u` the unit or the base unit;
 * - `v` is the base value and the value, `s` the base sum and the sum: added in decimal, so that
 *   20.1 and 0.2 are 20.3;
 * - `t` is the base time and the time, seconds since 1970. One below 2^28 is relative to the time
 *   of receipt. A record that has neither has no `t`: its time is not known to the device.
 * - `vs`, `vb`, `vd`, `ut` and fields that are not of the RFC are as they come. `vd` is base64url,
 *   in CBOR too.
 *
 * Records of base fields only are left out. A field of the wrong type stays as it is, and only who
 * uses it refuses it; a base field of the wrong type is an error, since it is in every record after
 * it. Versions are 10 and, with the secondary units of RFC 8798, 26.
 * @throws CodecError
 */
export function decodeSenml(payload: Buffer, receivedMicros: number): unknown {
  const isBinary = looksLikeCbor(payload[0])
  const pack = isBinary ? readCbor(payload, 'base64url') : decodeJson(payload)
  if (!Array.isArray(pack)) throw new CodecError('expected SenML: an array of records, got something else')
  if (pack.length > MOST_RECORDS) throw new CodecError(`expected SenML: at most ${MOST_RECORDS} records, got ${pack.length}`)
  const base: Base = { bn: '', bt: undefined, bu: undefined, bv: undefined, bs: undefined }
  const records: Record<string, unknown>[] = []
  for (const [index, record] of pack.entries()) {
    if (!isObject(record)) throw new CodecError(`expected SenML: an object, got something else as record ${index}`)
    const resolved = resolve(isBinary ? labelled(record) : record, base, index, receivedMicros)
    if (resolved !== undefined) records.push(resolved)
  }
  return records
}

interface Base {
  bn: string
  bt: Summand | undefined
  bu: string | undefined
  bv: Summand | undefined
  bs: Summand | undefined
}

type Summand = number | bigint

/** RFC 8428, table 4. */
const LABELS: ReadonlyMap<string, string> = new Map([
  ['-1', 'bver'],
  ['-2', 'bn'],
  ['-3', 'bt'],
  ['-4', 'bu'],
  ['-5', 'bv'],
  ['-6', 'bs'],
  ['0', 'n'],
  ['1', 'u'],
  ['2', 'v'],
  ['3', 'vs'],
  ['4', 'vb'],
  ['5', 's'],
  ['6', 't'],
  ['7', 'ut'],
  ['8', 'vd'],
])
const BASE_FIELDS: ReadonlySet<string> = new Set(['bver', 'bn', 'bt', 'bu', 'bv', 'bs'])
const RESOLVED_FIELDS: ReadonlySet<string> = new Set(['n', 'u', 'v', 's', 't'])
const VERSIONS: readonly unknown[] = [10, 26]
/** Every record repeats it. */
const MOST_BASE_NAME_CHARACTERS = 1_000
/** Times below are relative (RFC 8428, section 4.5.3). */
const FIRST_ABSOLUTE_SECOND = 2 ** 28
const MICROS_PER_SECOND = 1_000_000

/** The first byte of an array or a tag of CBOR, which is no text in UTF-8. */
function looksLikeCbor(first: number | undefined): boolean {
  return first !== undefined && first >= 0x80 && first < 0xe0
}

function labelled(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const named: Record<string, unknown> = {}
  for (const key of Object.keys(record)) addMember(named, LABELS.get(key) ?? key, record[key])
  return named
}

function resolve(
  record: Readonly<Record<string, unknown>>,
  base: Base,
  index: number,
  receivedMicros: number,
): Record<string, unknown> | undefined {
  readBase(record, base, index)
  const resolved: Record<string, unknown> = {}
  let others = 0
  for (const name of Object.keys(record)) {
    if (BASE_FIELDS.has(name)) continue
    others++
    // A field that changes what the record says (RFC 8428, section 4.4).
    if (name.endsWith('_'))
      throw new CodecError(`expected SenML: record ${index} has ${quoted(name)}, a field that has to be understood and is not known`)
    if (!RESOLVED_FIELDS.has(name)) addMember(resolved, name, record[name])
  }
  if (others === 0) return undefined
  const { n = '', u, v, s, t } = record
  resolved.n = typeof n === 'string' ? base.bn + n : n
  if (u !== undefined || base.bu !== undefined) resolved.u = u ?? base.bu
  if (v !== undefined) resolved.v = sum(base.bv, v)
  if (s !== undefined || base.bs !== undefined) resolved.s = sum(base.bs, s ?? 0)
  if (t !== undefined || base.bt !== undefined) resolved.t = absolute(sum(base.bt, t ?? 0), receivedMicros)
  return resolved
}

function readBase(record: Readonly<Record<string, unknown>>, base: Base, index: number): void {
  const { bver, bn, bu, bt, bv, bs } = record
  if (bver !== undefined && !VERSIONS.includes(bver)) refuseField('bver', `version ${VERSIONS.join(' or ')}`, bver, index)
  if (bn !== undefined) {
    if (typeof bn !== 'string' || bn.length > MOST_BASE_NAME_CHARACTERS)
      refuseField('bn', `text of at most ${MOST_BASE_NAME_CHARACTERS} characters`, bn, index)
    base.bn = bn
  }
  if (bu !== undefined) base.bu = typeof bu === 'string' ? bu : refuseField('bu', 'text', bu, index)
  if (bt !== undefined) base.bt = isSummand(bt) ? bt : refuseField('bt', 'a number', bt, index)
  if (bv !== undefined) base.bv = isSummand(bv) ? bv : refuseField('bv', 'a number', bv, index)
  if (bs !== undefined) base.bs = isSummand(bs) ? bs : refuseField('bs', 'a number', bs, index)
}

function refuseField(name: string, expected: string, value: unknown, index: number): never {
  const found =
    typeof value === 'string' ? quoted(value) : isSummand(value) || value instanceof RepeatedMember ? String(value) : 'something else'
  throw new CodecError(`expected SenML: ${expected} as ${name} of record ${index}, got ${found}`)
}

function isSummand(value: unknown): value is Summand {
  return typeof value === 'bigint' || Number.isFinite(value)
}

/** What is no number stays as it is. */
function sum(base: Summand | undefined, value: unknown): unknown {
  if (base === undefined || base === 0 || !isSummand(value)) return value
  const [one, other] = [exactDecimal(String(base)), exactDecimal(String(value))]
  return nearest(one.top * other.bottom + other.top * one.bottom, one.bottom * other.bottom)
}

function absolute(time: unknown, receivedMicros: number): unknown {
  if ((typeof time !== 'number' && typeof time !== 'bigint') || !(time < FIRST_ABSOLUTE_SECOND)) return time
  return Math.round(receivedMicros + Number(time) * MICROS_PER_SECOND) / MICROS_PER_SECOND
}
