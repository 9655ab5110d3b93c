import { convert } from '../../schemas/conversion.ts'
import { quantities, standardQuantities } from '../../schemas/generated/readings.ts'
import { conversionOf } from '../../schemas/units.ts'

/** What a value seems to be, by its name and what was seen of it. */
export interface QuantityGuess {
  /** A standard quantity. */
  readonly quantity: string
  /** UCUM code of the value; undefined if it is the quantity's own. */
  readonly unit: string | undefined
  /** In place of a unit: standard value = value × scale. Decimal text. */
  readonly scale: string | undefined
  /** Higher is surer. */
  readonly score: number
}

/** Numbers seen of one value. */
export interface SeenNumbers {
  readonly minimum: number
  readonly maximum: number
}

interface Naming {
  readonly quantity: string
  /** Words, or several words in a row with a blank between. In lower case, without accents. */
  readonly words: readonly string[]
  /** Units in which such values come, likelier ones first; without any, the quantity's own. */
  readonly units?: readonly string[]
  /** Decimal places that integers of embedded devices often leave out. */
  readonly scales?: readonly string[]
}

/**
 * Words for quantities in English, German, French, Spanish, Italian, Dutch, Polish and Swedish, and
 * what firmwares shorten them to. The longest that is in a name counts, so that `battery voltage`
 * is no `voltage`. Quantities that readings.avsc does not have are left out.
 */
const NAMINGS: readonly Naming[] = [
  {
    quantity: 'temperature',
    words: [
      ...['temperature', 'temp', 'tempc', 'temperatur', 'temperatura', 'temperatuur', 'lufttemperatur', 'aussentemperatur'],
      ...['innentemperatur', 'wassertemperatur', 'temper', 'tmp', 't', 'ti', 't i', 'teplota'],
    ],
    units: ['Cel', '[degF]', 'K'],
    scales: ['0.1', '0.01', '0.001'],
  },
  {
    quantity: 'humidity',
    words: [
      ...[
        'humidity',
        'hum',
        'rh',
        'relative humidity',
        'luftfeuchte',
        'luftfeuchtigkeit',
        'feuchte',
        'feuchtigkeit',
        'humidite',
        'humedad',
      ],
      ...['umidita', 'luchtvochtigheid', 'vochtigheid', 'wilgotnosc', 'luftfuktighet', 'h', 'humi'],
    ],
    units: ['%', '1'],
    scales: ['0.1', '0.01'],
  },
  {
    quantity: 'weight',
    words: ['weight', 'gewicht', 'poids', 'peso', 'waga', 'vikt', 'mass', 'masse', 'scale', 'waage', 'gross weight', 'net weight'],
    units: ['kg', 'g', 't'],
  },
  {
    quantity: 'battery_voltage',
    words: [
      ...['battery voltage', 'batt voltage', 'bat voltage', 'battery volt', 'vbat', 'vbatt', 'bat v', 'batv', 'batt v', 'v bat', 'v batt'],
      ...['bv', 'batteriespannung', 'akkuspannung', 'system voltage', 'battery mv', 'accu voltage', 'ubat', 'u bat', 'vcell'],
    ],
    units: ['V', 'mV'],
  },
  {
    quantity: 'battery_level',
    words: [
      ...['battery level', 'battery percent', 'battery percentage', 'battery soc', 'battery', 'batt', 'bat', 'soc', 'state of charge'],
      ...['batterie', 'bateria', 'batteria', 'akku', 'batterij', 'akkustand', 'ladezustand', 'charge'],
    ],
    units: ['%', '1'],
  },
  {
    quantity: 'sound_level',
    words: ['sound level', 'sound', 'noise', 'noise level', 'spl', 'db', 'dba', 'laeq', 'larm', 'laerm', 'schall', 'loudness'],
  },
  {
    quantity: 'pressure',
    words: [
      ...['pressure', 'press', 'pres', 'luftdruck', 'druck', 'pression', 'presion', 'pressione', 'luchtdruk', 'druk', 'cisnienie', 'baro'],
      ...['barometer', 'barometric pressure', 'p', 'lufttryck'],
    ],
    units: ['hPa', 'Pa', 'kPa', 'bar'],
  },
  {
    quantity: 'vibration',
    words: ['vibration', 'vibration rms', 'velocity rms', 'schwingung', 'vib', 'vibratie', 'vibracion'],
    units: ['mm/s', 'm/s'],
  },
  {
    quantity: 'power',
    words: [
      ...[
        'power',
        'active power',
        'apower',
        'watt',
        'watts',
        'leistung',
        'wirkleistung',
        'puissance',
        'potencia',
        'potenza',
        'vermogen',
        'moc',
      ],
      ...['effekt', 'pac', 'power w', 'p total'],
    ],
    units: ['W', 'kW', 'mW'],
  },
  {
    quantity: 'electric_current',
    words: ['current', 'strom', 'amps', 'ampere', 'courant', 'corriente', 'corrente', 'stroom', 'amp', 'prad'],
    units: ['A', 'mA'],
  },
  {
    quantity: 'rotational_speed',
    words: ['rpm', 'rotational speed', 'motor speed', 'drehzahl', 'fan speed', 'revolutions', 'toerental', 'speed rpm'],
  },
  { quantity: 'carbon_dioxide', words: ['co2', 'eco2', 'carbon dioxide', 'carbondioxide', 'kohlendioxid', 'scd30 co2'] },
  {
    quantity: 'illuminance',
    words: [
      'illuminance',
      'lux',
      'lx',
      'light',
      'light level',
      'helligkeit',
      'beleuchtungsstarke',
      'luminosite',
      'luminosidad',
      'licht',
      'brightness',
    ],
    units: ['lx', 'klx'],
  },
  { quantity: 'latitude', words: ['latitude', 'lat', 'breitengrad'] },
  { quantity: 'longitude', words: ['longitude', 'lon', 'lng', 'long', 'langengrad'] },
  { quantity: 'signal_strength', words: ['rssi', 'signal strength', 'wifi signal', 'signal dbm', 'rsrp', 'dbm', 'wifi rssi', 'lora rssi'] },
  { quantity: 'signal_to_noise', words: ['snr', 'signal to noise', 'lora snr', 'lsnr'] },
  {
    quantity: 'energy',
    words: [
      ...[
        'energy',
        'energy total',
        'total energy',
        'kwh',
        'energie',
        'energia',
        'energy import',
        'imported',
        'zahlerstand',
        'zaehlerstand',
        'total kwh',
      ],
      ...['import', 'energy consumed', 'aenergy total', 'wh', 'energy wh'],
    ],
    units: ['kW.h', 'W.h'],
  },
  {
    quantity: 'energy_exported',
    words: ['energy export', 'energy exported', 'exported', 'export', 'total returned', 'einspeisung'],
    units: ['kW.h', 'W.h'],
  },
  {
    quantity: 'voltage',
    words: ['voltage', 'volt', 'volts', 'spannung', 'tension', 'voltaje', 'tensione', 'spanning', 'napiecie'],
    units: ['V', 'mV'],
  },
  { quantity: 'frequency', words: ['frequency', 'freq', 'frequenz', 'netzfrequenz', 'frequence', 'frecuencia'] },
  { quantity: 'power_factor', words: ['power factor', 'powerfactor', 'pf', 'cosphi', 'cos phi', 'factor', 'leistungsfaktor'] },
  { quantity: 'apparent_power', words: ['apparent power', 'apparentpower', 'scheinleistung', 'va', 'aprt power'] },
  { quantity: 'reactive_power', words: ['reactive power', 'reactivepower', 'blindleistung', 'var'] },
  { quantity: 'volume', words: ['volume', 'water total', 'gas total', 'water volume', 'volumen', 'm3'], units: ['m3', 'L'] },
  { quantity: 'volume_flow', words: ['flow', 'flow rate', 'volume flow', 'durchfluss', 'debit'], units: ['m3/h', 'L/min'] },
  { quantity: 'distance', words: ['distance', 'abstand', 'dist', 'afstand'], units: ['m', 'cm', 'mm'] },
  { quantity: 'altitude', words: ['altitude', 'alt', 'elevation', 'hohe', 'hoehe'] },
  { quantity: 'speed', words: ['speed', 'velocity', 'geschwindigkeit', 'vel', 'sp', 'gps speed'] },
  { quantity: 'position_accuracy', words: ['accuracy', 'gps accuracy', 'acc', 'position accuracy', 'hacc'] },
  { quantity: 'soil_moisture', words: ['soil moisture', 'soilmoisture', 'bodenfeuchte', 'soil humidity', 'vwc', 'moisture'] },
  { quantity: 'pm2_5', words: ['pm25', 'pm2 5', 'pm 2 5', 'pm02', 'p2'] },
  { quantity: 'pm10', words: ['pm10', 'pm 10', 'p1'] },
  { quantity: 'wind_speed', words: ['wind speed', 'windspeed', 'windgeschwindigkeit', 'wind'], units: ['m/s', 'km/h'] },
  { quantity: 'wind_gust', words: ['wind gust', 'windgust', 'gust', 'windboe', 'boen'], units: ['m/s', 'km/h'] },
  { quantity: 'wind_direction', words: ['wind direction', 'winddirection', 'wind dir', 'winddir', 'windrichtung'] },
  { quantity: 'rainfall', words: ['rain', 'rainfall', 'rain total', 'regen', 'niederschlag', 'precipitation', 'pluie'] },
  { quantity: 'irradiance', words: ['irradiance', 'solar radiation', 'solarradiation', 'globalstrahlung', 'radiation'] },
]

/**
 * Words that turn a quantity into another one: a dew point is no temperature of the air, what was
 * used today no counter. Such a value is listed, and left to a person.
 */
const TURNING: ReadonlySet<string> = new Set([
  ...['dewpoint', 'dew', 'taupunkt', 'setpoint', 'target', 'soll', 'sollwert', 'threshold', 'limit', 'min', 'max', 'minimum', 'maximum'],
  ...[
    'today',
    'yesterday',
    'heute',
    'gestern',
    'offset',
    'calibration',
    'correction',
    'alarm',
    'low',
    'high',
    'unit',
    'interval',
    'period',
  ],
  ...['daily', 'monthly', 'id', 'status', 'count', 'counter', 'index', 'start', 'version', 'airtime', 'absolute', 'abs'],
])

const UNIT_WORDS: Readonly<Record<string, string>> = {
  mv: 'mV',
  ma: 'mA',
  kw: 'kW',
  mw: 'mW',
  wh: 'W.h',
  kwh: 'kW.h',
  pa: 'Pa',
  hpa: 'hPa',
  kpa: 'kPa',
  mbar: 'mbar',
  bar: 'bar',
  psi: '[psi]',
  f: '[degF]',
  fahrenheit: '[degF]',
  c: 'Cel',
  celsius: 'Cel',
  kelvin: 'K',
  g: 'g',
  grams: 'g',
  kg: 'kg',
  kmh: 'km/h',
  cm: 'cm',
  mm: 'mm',
  l: 'L',
  liter: 'L',
  litre: 'L',
}

interface Entry {
  readonly naming: Naming
  readonly words: readonly string[]
}

const known = new Map(quantities.map((quantity) => [quantity.name, quantity]))
const entries: Entry[] = NAMINGS.filter(({ quantity }) => known.has(quantity)).flatMap((naming) => [
  ...naming.words.map((words) => ({ naming, words: words.split(' ') })),
  { naming, words: naming.quantity.split('_') },
])
// What the deployment's own quantities are called elsewhere, nobody knows.
for (const { name } of quantities.slice(standardQuantities.length))
  entries.push({ naming: { quantity: name, words: [] }, words: name.split('_') })

/**
 * @param names of the value, and of what it is in, outermost first: `BME280`, `Temperature`
 * @param seen undefined if no number was seen
 */
export function guessQuantity(names: readonly string[], seen: SeenNumbers | undefined): QuantityGuess | undefined {
  const own = wordsOf(names.at(-1) ?? '')
  const within = wordsOf(names.slice(0, -1).join(' '))
  const alone = best(own)
  const together = best([...within.slice(-2), ...own], own.length)
  const found = alone !== undefined && (together === undefined || size(together) <= size(alone)) ? alone : together
  if (found === undefined || [...own, ...within.slice(-1)].some((word) => TURNING.has(word) && !found.words.includes(word)))
    return undefined
  // Longer is surer, and the more of the name the words are.
  const score = found.words.length * 2 + found.words.join('').length / 10 - (own.length - found.words.length) / 4
  return fitted(found.naming, [...own, ...within.slice(-1)], seen, score)
}

/** The entry with the most words, then the most letters, that is in the words. */
function best(words: readonly string[], mustReach = 0): Entry | undefined {
  let found: Entry | undefined
  for (const entry of entries) {
    const at = words.findIndex((_, index) => entry.words.every((word, offset) => words[index + offset] === word))
    if (at < 0 || (mustReach > 0 && at + entry.words.length <= words.length - mustReach)) continue
    // A single letter means something only if it is the whole name.
    if (entry.words.length === 1 && (entry.words[0]?.length ?? 0) === 1 && words.length > 1) continue
    if (found === undefined || size(entry) > size(found)) found = entry
  }
  return found
}

function size({ words }: Entry): number {
  return words.length * 100 + words.join('').length
}

/** A name as its words, in lower case and without accents: `TempC_SHT`, `battery-voltage`. */
export function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .replace(/ß/g, 'ss')
    .replace(/ł/g, 'l')
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
}

/** The unit in which the numbers seen are within the range of the quantity. */
function fitted(naming: Naming, words: readonly string[], seen: SeenNumbers | undefined, score: number): QuantityGuess | undefined {
  const quantity = known.get(naming.quantity)
  if (quantity === undefined) return undefined
  const told = words.map((word) => UNIT_WORDS[word]).find((unit) => unit !== undefined && conversionOf(unit, quantity.unit) !== undefined)
  const units = told === undefined ? (naming.units ?? [quantity.unit]) : [told]
  const guess = (unit: string | undefined, scale?: string): QuantityGuess => ({
    quantity: naming.quantity,
    unit: unit === quantity.unit ? undefined : unit,
    scale,
    score,
  })
  if (seen === undefined) return guess(told)
  const plausible = PLAUSIBLE[naming.quantity] ?? []
  for (const range of [...plausible, quantity]) {
    for (const unit of units) {
      const by = conversionOf(unit, quantity.unit)
      if (by !== undefined && isWithin([convert(seen.minimum, by), convert(seen.maximum, by)], range)) return guess(unit)
    }
    for (const scale of told === undefined ? (naming.scales ?? []) : [])
      if (isWithin([seen.minimum * Number(scale), seen.maximum * Number(scale)], range)) return guess(undefined, scale)
  }
  // A name alone is not enough for numbers that cannot be it.
  return undefined
}

function isWithin(values: readonly number[], { minimum, maximum }: SeenNumbers): boolean {
  return values.every((value) => value >= minimum && value <= maximum)
}

/**
 * Narrower than the ranges of readings.avsc, if those would let a value in a wrong unit pass: 2985
 * millivolts, 100.8 kilopascals, or a tenth of a degree.
 */
const PLAUSIBLE: Readonly<Record<string, readonly SeenNumbers[]>> = {
  temperature: [{ minimum: -60, maximum: 110 }],
  battery_voltage: [{ minimum: 0, maximum: 60 }],
  // Of air; of what a pump moves.
  pressure: [
    { minimum: 300, maximum: 1_200 },
    { minimum: 300, maximum: 20_000 },
  ],
  weight: [{ minimum: -5, maximum: 400 }],
  voltage: [{ minimum: -1_000, maximum: 1_000 }],
}
