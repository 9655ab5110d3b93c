import { isUtf8 } from 'node:buffer'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { shortestDecimal, single } from '../../../schemas/shortest-decimal.ts'
import { addMember, CodecError, integerOf, MOST_RECORDS } from './codec.ts'

/**
 * The payload of Sparkplug B (Eclipse Tahu's `sparkplug_b.proto`, package
 * org.eclipse.tahu.protobuf), with that file's names:
 * - `timestamp`, `seq`, `uuid`, `body`, and `metrics`, an array that may be empty;
 * - a metric's `name`, `alias`, `timestamp`, `datatype` (the number of the specification),
 *   `is_historical`, `is_transient`, `metadata`, `properties` if they are there, `is_null` always,
 *   and `value`: null if `is_null`, absent if the message has none;
 * - `properties` by key, each with `type`, `is_null` and `value`;
 * - a dataset as `{ columns, types, rows }`, rows being arrays; a template as `{ version,
 *   template_ref, is_definition, metrics, parameters }`; neither is taken apart further;
 * - bytes, and the arrays of types 22 to 34, as lower-case hexadecimal text.
 *
 * Signed integers are in unsigned fields, in two's complement: the type tells the sign. A DATA
 * message may leave the type out; then the value is as if it were unsigned. Integers beyond
 * ±(2^53 − 1) are bigints. A metric may have only the alias that a BIRTH gave to its name: the
 * codec sees one message, and does not look it up.
 * @throws CodecError
 */
export function decodeSparkplugB(payload: Buffer): unknown {
  return new SparkplugReader(payload).read()
}

/** Messages within messages: each is at most three deep in the tree. */
const MOST_NESTED = 20

/** Types of the specification, section 6.4.16, whose sign is to be restored. */
const INT8 = 1
const INT16 = 2
const INT32 = 3
const INT64 = 4

type Tree = Record<string, unknown>
type Integer = number | bigint
/** Reads a field if its number is one of the message's. */
type ReadField = (field: number, wire: WireType) => boolean

class SparkplugReader {
  private readonly payload: Buffer
  private readonly reader: BinaryReader
  private nested = 0
  private metricCount = 0
  private field = 0

  constructor(payload: Buffer) {
    this.payload = payload
    this.reader = new BinaryReader(payload)
  }

  read(): Tree {
    try {
      return this.readPayload()
    } catch (cause) {
      // A TypeError is a mistake of this code.
      if (cause instanceof CodecError || cause instanceof TypeError || !(cause instanceof Error)) throw cause
      // Of the library, which knows neither the field nor the position.
      throw new CodecError(`expected Sparkplug B: ${this.where()}: ${cause.message}`, { cause })
    }
  }

  private readPayload(): Tree {
    const metrics: Tree[] = []
    const payload: Tree = { metrics }
    this.readFields(this.payload.length, (field, wire) => {
      if (field === 1) payload.timestamp = this.uint64(wire)
      else if (field === 2) metrics.push(this.readMetric(wire))
      else if (field === 3) payload.seq = this.uint64(wire)
      else if (field === 4) payload.uuid = this.string(wire)
      else if (field === 5) payload.body = this.bytes(wire)
      else return false
      return true
    })
    return payload
  }

  private readMetric(wire: WireType): Tree {
    if (++this.metricCount > MOST_RECORDS) throw new CodecError(`expected Sparkplug B: at most ${MOST_RECORDS} metrics, got more`)
    const metric: Tree = {}
    let isNull = false
    this.readMessage(wire, (field, inner) => {
      if (field === 1) metric.name = this.string(inner)
      else if (field === 2) metric.alias = this.uint64(inner)
      else if (field === 3) metric.timestamp = this.uint64(inner)
      else if (field === 4) metric.datatype = this.uint32(inner)
      else if (field === 5) metric.is_historical = this.bool(inner)
      else if (field === 6) metric.is_transient = this.bool(inner)
      else if (field === 7) isNull = this.bool(inner)
      else if (field === 8) metric.metadata = this.readMetadata(inner)
      else if (field === 9) metric.properties = this.readProperties(inner)
      else if (field === 16) metric.value = this.bytes(inner)
      else if (field === 17) metric.value = this.readDataSet(inner)
      else if (field === 18) metric.value = this.readTemplate(inner)
      else return this.readScalar(metric, field - 9, inner)
      return true
    })
    metric.is_null = isNull
    if (isNull) metric.value = null
    else if ('value' in metric) metric.value = withSign(metric.value, metric.datatype)
    return metric
  }

  private readMetadata(wire: WireType): Tree {
    const metadata: Tree = {}
    this.readMessage(wire, (field, inner) => {
      if (field === 1) metadata.is_multi_part = this.bool(inner)
      else if (field === 2) metadata.content_type = this.string(inner)
      else if (field === 3) metadata.size = this.uint64(inner)
      else if (field === 4) metadata.seq = this.uint64(inner)
      else if (field === 5) metadata.file_name = this.string(inner)
      else if (field === 6) metadata.file_type = this.string(inner)
      else if (field === 7) metadata.md5 = this.string(inner)
      else if (field === 8) metadata.description = this.string(inner)
      else return false
      return true
    })
    return metadata
  }

  private readProperties(wire: WireType): Tree {
    const keys: string[] = []
    const values: Tree[] = []
    this.readMessage(wire, (field, inner) => {
      if (field === 1) keys.push(this.string(inner))
      else if (field === 2) values.push(this.readProperty(inner))
      else return false
      return true
    })
    if (keys.length !== values.length)
      throw new CodecError(`expected Sparkplug B: as many values as keys of properties, got ${values.length} and ${keys.length}`)
    const properties: Tree = {}
    for (const [index, key] of keys.entries()) addMember(properties, key, values[index])
    return properties
  }

  private readProperty(wire: WireType): Tree {
    const property: Tree = {}
    let isNull = false
    this.readMessage(wire, (field, inner) => {
      if (field === 1) property.type = this.uint32(inner)
      else if (field === 2) isNull = this.bool(inner)
      else if (field === 9) property.value = this.readProperties(inner)
      else if (field === 10) property.value = this.readPropertiesList(inner)
      else return this.readScalar(property, field - 2, inner)
      return true
    })
    property.is_null = isNull
    if (isNull) property.value = null
    else if ('value' in property) property.value = withSign(property.value, property.type)
    return property
  }

  private readPropertiesList(wire: WireType): readonly Tree[] {
    const list: Tree[] = []
    this.readMessage(wire, (field, inner) => {
      if (field !== 1) return false
      list.push(this.readProperties(inner))
      return true
    })
    return list
  }

  private readDataSet(wire: WireType): Tree {
    const columns: string[] = []
    const types: number[] = []
    const rows: unknown[][] = []
    this.readMessage(wire, (field, inner) => {
      // Field 1 is how many columns there are, which the columns say too.
      if (field === 1) this.uint64(inner)
      else if (field === 2) columns.push(this.string(inner))
      else if (field === 3) this.readTypes(types, inner)
      else if (field === 4) rows.push(this.readRow(inner))
      else return false
      return true
    })
    for (const row of rows) for (const [index, value] of row.entries()) row[index] = withSign(value, types[index])
    return { columns, types, rows }
  }

  /** One, or several in one field (packed). */
  private readTypes(types: number[], wire: WireType): void {
    if (wire !== WireType.LengthDelimited) types.push(this.uint32(wire))
    else for (const end = this.end(); this.reader.pos < end; ) types.push(this.reader.uint32())
  }

  private readRow(wire: WireType): unknown[] {
    const row: unknown[] = []
    this.readMessage(wire, (field, inner) => {
      if (field !== 1) return false
      const element: Tree = {}
      this.readMessage(inner, (kind, innermost) => this.readScalar(element, kind, innermost))
      row.push(element.value ?? null)
      return true
    })
    return row
  }

  private readTemplate(wire: WireType): Tree {
    const metrics: Tree[] = []
    const parameters: Tree[] = []
    const template: Tree = { metrics, parameters }
    this.readMessage(wire, (field, inner) => {
      if (field === 1) template.version = this.string(inner)
      else if (field === 2) metrics.push(this.readMetric(inner))
      else if (field === 3) parameters.push(this.readParameter(inner))
      else if (field === 4) template.template_ref = this.string(inner)
      else if (field === 5) template.is_definition = this.bool(inner)
      else return false
      return true
    })
    return template
  }

  private readParameter(wire: WireType): Tree {
    const parameter: Tree = {}
    this.readMessage(wire, (field, inner) => {
      if (field === 1) parameter.name = this.string(inner)
      else if (field === 2) parameter.type = this.uint32(inner)
      else return this.readScalar(parameter, field - 2, inner)
      return true
    })
    if ('value' in parameter) parameter.value = withSign(parameter.value, parameter.type)
    return parameter
  }

  /** The fields of a value are in the same order everywhere; `kind` counts them from 1. */
  private readScalar(into: Tree, kind: number, wire: WireType): boolean {
    if (kind === 1) into.value = this.uint32(wire)
    else if (kind === 2) into.value = this.uint64(wire)
    else if (kind === 3) {
      this.expectWire(wire, WireType.Bit32)
      into.value = shortestDecimal(this.reader.float(), single)
    } else if (kind === 4) {
      this.expectWire(wire, WireType.Bit64)
      into.value = this.reader.double()
    } else if (kind === 5) into.value = this.bool(wire)
    else if (kind === 6) into.value = this.string(wire)
    else return false
    return true
  }

  private readMessage(wire: WireType, read: ReadField): void {
    this.expectWire(wire, WireType.LengthDelimited)
    if (++this.nested > MOST_NESTED)
      throw new CodecError(`expected Sparkplug B: messages nested at most ${MOST_NESTED} deep, got more at ${this.where()}`)
    this.readFields(this.end(), read)
    this.nested--
  }

  private readFields(end: number, read: ReadField): void {
    const { reader } = this
    while (reader.pos < end) {
      const [field, wire] = reader.tag()
      this.field = field
      if (wire === WireType.StartGroup || wire === WireType.EndGroup) this.refuse('no group, which the schema does not have')
      if (!read(field, wire)) reader.skip(wire, field)
      if (reader.pos > end) this.refuse(`the end of a message at position ${end}, but a field goes beyond it`)
    }
  }

  /** Where what follows its length ends. */
  private end(): number {
    const length = this.reader.uint32()
    const end = this.reader.pos + length
    if (end > this.payload.length) this.refuse(`${length} more bytes, got ${this.payload.length - this.reader.pos}`)
    return end
  }

  private uint32(wire: WireType): number {
    this.expectWire(wire, WireType.Varint)
    return this.reader.uint32()
  }

  private uint64(wire: WireType): Integer {
    this.expectWire(wire, WireType.Varint)
    return integerOf(BigInt(this.reader.uint64()))
  }

  private bool(wire: WireType): boolean {
    this.expectWire(wire, WireType.Varint)
    return this.reader.bool()
  }

  private bytes(wire: WireType): string {
    return this.readBytes(wire).toString('hex')
  }

  private string(wire: WireType): string {
    const bytes = this.readBytes(wire)
    if (!isUtf8(bytes)) this.refuse('UTF-8 in a text')
    return bytes.toString('utf8')
  }

  private readBytes(wire: WireType): Buffer {
    this.expectWire(wire, WireType.LengthDelimited)
    const end = this.end()
    const bytes = this.payload.subarray(this.reader.pos, end)
    this.reader.pos = end
    return bytes
  }

  private expectWire(wire: WireType, expected: WireType): void {
    if (wire !== expected) this.refuse(`wire type ${expected}, got ${wire}`)
  }

  private refuse(expected: string): never {
    throw new CodecError(`expected Sparkplug B: ${expected}, ${this.where()}`)
  }

  private where(): string {
    return `field ${this.field} before position ${Math.min(this.reader.pos, this.payload.length)} of ${this.payload.length}`
  }
}

/**
 * What a signed type makes of an unsigned field. Some edge nodes extend the sign of an int8 to 32
 * bits, some to 8: either is read.
 */
function withSign(value: unknown, type: unknown): unknown {
  if (typeof value !== 'bigint' && (typeof value !== 'number' || !Number.isInteger(value))) return value
  const bits = type === INT8 ? 8 : type === INT16 ? 16 : type === INT32 ? 32 : type === INT64 ? 64 : 0
  return bits === 0 ? value : integerOf(BigInt.asIntN(bits, BigInt(value)))
}
