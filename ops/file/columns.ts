import type { Conversion } from '../../schemas/conversion.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { isUnit, requireConversion, UnitError } from '../../schemas/units.ts'
import { type MappingEntry, MappingError, type Source } from './mapping.ts'

/** Where a text of a line is: fields by index, or a constant. */
export type Place = { readonly tag: 'field'; readonly index: number } | { readonly tag: 'constant'; readonly text: string }

/** A quantity, and where its values are. */
export interface ValueColumn {
  readonly quantity: string
  readonly index: number
  /** Undefined if the values come in the standard unit. */
  readonly conversion: Conversion | undefined
}

/** What is where in a file. */
export interface FileColumns {
  /** Joined by a blank. */
  readonly time: readonly Place[]
  readonly device: Place
  readonly values: readonly ValueColumn[]
  /** The mapping in words, for the user to check. */
  readonly words: readonly string[]
  /** Columns that nothing is taken from. */
  readonly ignored: readonly string[]
}

export interface ColumnOptions {
  readonly mapping: readonly MappingEntry[]
  /** The same device for every line. */
  readonly device: string | undefined
}

const TIME_NAMES: readonly string[] = ['time', 'ts', 'timestamp']

/**
 * Finds the columns that a mapping names in a header. Without a mapping the first column is the
 * time and the second the device (none if it is given), and the others are quantities by their
 * names. With one, columns of the names `time` and `device` need no entry.
 * @param header names of the columns; `#1`, `#2`… if the file has no header
 * @throws MappingError
 */
export function findColumns(header: readonly string[], { mapping, device }: ColumnOptions): FileColumns {
  if (mapping.length === 0) return byPosition(header, device)
  const twice = mapping.find(({ target }, index) => mapping.findIndex((each) => each.target === target) < index)
  if (twice !== undefined) throw new MappingError(`expected ${twice.target} once in the mapping, got it twice`)
  if (device !== undefined && mapping.some(({ target }) => target === 'device'))
    throw new MappingError('expected --device or device=… in the mapping, got both')
  const entry = (target: string): MappingEntry | undefined => mapping.find((each) => each.target === target)
  const resolved = new Map(mapping.map((each) => [each.target, resolve(each, header)] as const))
  const time = resolved.get('time') ?? named(TIME_NAMES, header)
  if (time === undefined) throw missing('time', header)
  if (entry('time')?.unit !== undefined && time.unit !== undefined)
    throw new MappingError(`time: expected no unit, got [${time.unit}]; --time-format says how times are written`)
  const place = device === undefined ? (resolved.get('device') ?? named(['device', 'device_id'], header)) : constant(device)
  const [devicePlace] = place?.places ?? []
  if (place === undefined || devicePlace === undefined) throw missing('device', header)
  if (place.unit !== undefined) throw new MappingError(`device: expected no unit, got [${place.unit}]`)
  const values = mapping.filter(({ target }) => target !== 'time' && target !== 'device').map((each) => value(each, resolved, header))
  if (values.length === 0)
    throw new MappingError(`expected at least one quantity in the mapping, such as temperature=…\n${columnsAre(header)}`)
  return {
    time: time.places,
    device: devicePlace,
    values,
    words: [
      `time=${said(time.places, header)}`,
      `device=${said([devicePlace], header)}`,
      ...values.map(({ quantity, index }) => `${quantity}=${header[index]}${unitOf(resolved.get(quantity)?.unit)}`),
    ],
    ignored: ignored(header, [...time.places, devicePlace], values),
  }
}

function byPosition(header: readonly string[], device: string | undefined): FileColumns {
  const first = device === undefined ? 2 : 1
  const names = header.slice(first)
  const unknown = names.filter((name) => unit(name) === undefined)
  if (names.length === 0 || unknown.length > 0) {
    const got = header.length <= first ? 'no quantity' : unknown.map((name) => JSON.stringify(name)).join(', ')
    throw new MappingError(
      `expected a header line of time${device === undefined ? ', device' : ''} and quantities (docs/quantities.md), got ${got}; or say which column is what: ${suggestion(header, device)}`,
    )
  }
  const again = names.find((name, index) => names.indexOf(name) < index)
  if (again !== undefined) throw new MappingError(`${again} is two columns: say which one counts, as in --map ${again}=#${first + 1}`)
  const place: Place = device === undefined ? { tag: 'field', index: 1 } : { tag: 'constant', text: device }
  return {
    time: [{ tag: 'field', index: 0 }],
    device: place,
    values: names.map((quantity, index) => ({ quantity, index: index + first, conversion: undefined })),
    words: [`time=${header[0]}`, `device=${said([place], header)}`, ...names.map((name) => `${name}=${name}`)],
    ignored: [],
  }
}

interface Resolved {
  readonly places: readonly Place[]
  readonly unit: string | undefined
}

function resolve(entry: MappingEntry, header: readonly string[]): Resolved {
  const { target, bare, sources, unit: given } = entry
  if (target !== 'time' && target !== 'device' && unit(target) === undefined)
    throw new MappingError(`expected time, device or a quantity (docs/quantities.md), got ${JSON.stringify(target)}`)
  if (bare !== undefined && header.includes(bare)) return { places: [{ tag: 'field', index: find(bare, target, header) }], unit: undefined }
  if (sources.length > 1 && target !== 'time')
    throw new MappingError(`${target}: expected one column (only time may be in several), got ${sources.length}\n${columnsAre(header)}`)
  return { places: sources.map((source) => place(source, target, header)), unit: given }
}

function place(source: Source, target: string, header: readonly string[]): Place {
  if (source.tag === 'column') return { tag: 'field', index: find(source.name, target, header) }
  if (target !== 'device') throw new MappingError(`${target}: expected a column, got the constant '${source.text}'`)
  return source
}

function find(name: string, target: string, header: readonly string[]): number {
  const number = /^#(\d+)$/.exec(name)?.[1]
  const index = number !== undefined && !header.includes(name) ? Number(number) - 1 : header.indexOf(name)
  if (header[index] === undefined) throw new MappingError(`${target}: there is no column ${JSON.stringify(name)}\n${columnsAre(header)}`)
  if (number === undefined && header.indexOf(name, index + 1) >= 0)
    throw new MappingError(`${target}: two columns are called ${JSON.stringify(name)}: say which one, as in ${target}=#${index + 1}`)
  return index
}

function value({ target }: MappingEntry, resolved: ReadonlyMap<string, Resolved>, header: readonly string[]): ValueColumn {
  const found = resolved.get(target)
  const [first] = found?.places ?? []
  if (first?.tag !== 'field') throw missing(target, header)
  return { quantity: target, index: first.index, conversion: conversionFor(target, found?.unit) }
}

function conversionFor(quantity: string, from: string | undefined): Conversion | undefined {
  const to = unit(quantity)
  if (from === undefined || to === undefined || from === to) return undefined
  try {
    return requireConversion(!isUnit(from) && isUnit(`[${from}]`) ? `[${from}]` : from, to)
  } catch (cause) {
    if (cause instanceof UnitError)
      throw new MappingError(`${quantity}: expected a UCUM code of its kind, such as ${to}: ${cause.message}`, { cause })
    throw cause
  }
}

function unit(quantity: string): string | undefined {
  return quantities.find(({ name }) => name === quantity)?.unit
}

function named(names: readonly string[], header: readonly string[]): Resolved | undefined {
  const name = names.find((each) => header.includes(each))
  return name === undefined ? undefined : { places: [{ tag: 'field', index: header.indexOf(name) }], unit: undefined }
}

function constant(text: string): Resolved {
  return { places: [{ tag: 'constant', text }], unit: undefined }
}

function missing(target: string, header: readonly string[]): MappingError {
  const or = target === 'device' ? ', or --device for the same one in every line' : ''
  return new MappingError(`expected ${target}=… in the mapping${or}\n${columnsAre(header)}`)
}

function columnsAre(header: readonly string[]): string {
  return `the file has the columns ${header.map((name) => JSON.stringify(name)).join(', ')}`
}

function ignored(header: readonly string[], places: readonly Place[], values: readonly ValueColumn[]): readonly string[] {
  const used = new Set([...places.flatMap((each) => (each.tag === 'field' ? [each.index] : [])), ...values.map(({ index }) => index)])
  return header.filter((_, index) => !used.has(index))
}

function said(places: readonly Place[], header: readonly string[]): string {
  return places.map((each) => (each.tag === 'field' ? header[each.index] : `'${each.text}'`)).join('+')
}

function unitOf(code: string | undefined): string {
  return code === undefined ? '' : `[${code}]`
}

/** A mapping that the user can complete: what the names of the columns suggest. */
function suggestion(header: readonly string[], device: string | undefined): string {
  const column = (pattern: RegExp): string | undefined => header.find((name) => pattern.test(name))
  const time = column(/time|date|zeit|datum|^ts$/i) ?? header[0] ?? '…'
  const who = column(/device|sensor|tag|node|station|name|^id$/i)
  const entries = header
    .filter((name) => name !== time && name !== who)
    .map((name) => `${quantities.find((each) => name.toLowerCase().includes(each.name.replaceAll('_', ' ')))?.name ?? '…'}=${name}`)
    .filter((entry) => !entry.startsWith('…'))
  const devices = device === undefined ? `device=${who ?? "'my-device'"},` : ''
  return `--map "time=${time},${devices}${entries.slice(0, 3).join(',') || 'temperature=…'}"`
}
