/**
 * What goes between the pages of devices and sites and their server. Code of the browser imports
 * these types too, so this file imports nothing. Times are milliseconds since 1970.
 */

/** A quantity, as axes and tables name it. */
export interface QuantityFacts {
  readonly name: string
  /** As people write it: °C. Empty for none. */
  readonly unit: string
  readonly doc: string
}

/** A device, as far as the app database knows it. Null is unknown. */
export interface DeviceFacts {
  readonly id: string
  readonly accountId: string | null
  readonly account: string | null
  readonly siteId: string | null
  readonly site: string | null
  /** What it measures now: a hive, a machine. */
  readonly asset: string | null
  /** init, ready, sleeping, lost or silent; null if nothing came. */
  readonly state: string | null
  readonly firmware: string | null
  readonly boot: number | null
  readonly lastContact: number | null
  readonly silentAt: number | null
  readonly lastSample: number | null
  /** Volts and per cent, of its newest reading if the app database has none. */
  readonly batteryVoltage: number | null
  readonly batteryLevel: number | null
}

/** The newest value of a quantity of a device, or of one of its channels. */
export interface NewestValue {
  /** As in readings: `hive-7` or `hive-7/brood`. */
  readonly deviceId: string
  readonly quantity: string
  readonly value: number
  readonly at: number
}

/** A device of the list, with what its readings say. */
export interface ListedDevice extends DeviceFacts {
  /** Quantities. */
  readonly measures: readonly string[]
  readonly position: Position | null
  /** Time of its newest reading. */
  readonly lastReading: number | null
}

/** GET api/devices/list */
export interface DeviceList {
  readonly devices: readonly ListedDevice[]
  /** Whether there are devices after these. */
  readonly more: boolean
}

/** Degrees, WGS 84. */
export interface Position {
  readonly latitude: number
  readonly longitude: number
}

/** GET api/devices/one */
export interface OneDevice {
  /** Null: the app database does not have it; it may have readings all the same. */
  readonly facts: DeviceFacts | null
  readonly newest: readonly NewestValue[]
  /** All of the schema, in its order. */
  readonly quantities: readonly QuantityFacts[]
}

/** One line of a chart: a quantity of a device or channel, in the order of time. */
export interface Series {
  readonly deviceId: string
  readonly quantity: string
  /** Of the reading, or the beginning of its bucket. */
  readonly ts: readonly number[]
  /** Values, or the means of buckets. */
  readonly values: readonly number[]
  /** The smallest and largest value of each bucket; empty for readings. */
  readonly min: readonly number[]
  readonly max: readonly number[]
}

/** GET api/devices/history */
export interface DeviceHistory {
  readonly from: number
  readonly to: number
  /** Length of a bucket; null: the readings themselves. */
  readonly everyMs: number | null
  /** Why buckets, if the span alone would give readings. */
  readonly because: 'archived' | 'many' | null
  readonly series: readonly Series[]
}

/**
 * State of the feed `device:ID`: what was measured and came in the last seconds. Whoever has seen
 * all up to `first` misses nothing.
 */
export interface LiveReadings {
  /** Which reading since the feed began is the first of these, counted from 0. */
  readonly first: number
  /** One after the last. */
  readonly next: number
  /** Another number: readings were passed over, or the feed began anew; history has them. */
  readonly generation: number
  readonly readings: readonly LiveReading[]
}

export interface LiveReading {
  readonly deviceId: string
  readonly ts: number
  /** Quantity and value. */
  readonly values: Readonly<Record<string, number>>
}

export interface SiteFacts {
  readonly id: string
  readonly name: string
  readonly accountId: string
  readonly account: string
  /** orchard or storage */
  readonly kind: string
  /** Devices that are assigned to it now. */
  readonly devices: number
}

/** GET api/devices/sites */
export interface SiteList {
  readonly sites: readonly SiteFacts[]
}

/** State of the feed `site:NUMBER`. */
export interface SiteNow {
  readonly site: SiteFacts
  /** By ID. */
  readonly devices: readonly DeviceFacts[]
  /** Whether the site has more devices than these. */
  readonly more: boolean
  readonly newest: readonly NewestValue[]
  readonly quantities: readonly QuantityFacts[]
}

/**
 * State of the feed `site-live:NUMBER`: the newest value of each quantity of the site's devices and
 * their channels, of what was published in the last seconds. Whoever missed some has them from the
 * next state of `site:NUMBER`.
 */
export interface SiteLive {
  readonly readings: readonly LiveReading[]
}

/** GET api/devices/day: the last 24 hours of each device and channel of a site, by the hour. */
export interface SiteDay {
  readonly quantity: string
  readonly from: number
  readonly to: number
  readonly series: readonly Series[]
}
