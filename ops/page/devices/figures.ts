import { type DeviceQuestion, describeDevices, findDevices, overviewSites } from '../../../connectors/postgres/device-overview.ts'
import { keptHours, newestValues } from '../../../connectors/postgres/device-series.ts'
import type { Session } from '../../../connectors/postgres/session.ts'
import { quantities } from '../../../schemas/generated/readings.ts'
import type { DeviceFacts, DeviceList, NewestValue, OneDevice, Position, QuantityFacts, SiteDay, SiteNow } from './messages.ts'
import type { ListQuery } from './queries.ts'
import { DAY_MS, HOUR_MS } from './resolution.ts'
import { unitLabel } from './unit-label.ts'

/** Devices of a page of the list. */
const PAGE = 50
/** Devices of a site that are shown beside each other. */
const MOST_AT_SITE = 300

const NAMES = quantities.map(({ name }) => name)
const FACTS: readonly QuantityFacts[] = quantities.map(({ name, unit, doc }) => ({ name, unit: unitLabel(unit), doc }))

/** The sessions of the two databases. */
export interface Sessions {
  app<Result>(work: (session: Session) => Promise<Result>): Promise<Result>
  telemetry<Result>(work: (session: Session) => Promise<Result>): Promise<Result>
}

export async function listDevices({ app, telemetry }: Sessions, { search, account, site, state, after }: ListQuery): Promise<DeviceList> {
  const question = { search, account: account ?? null, site: site ?? null, state: state ?? null, after: after ?? null }
  const found = await app((session) => findDevices(session, { ...question, most: PAGE + 1 }))
  const shown = found.slice(0, PAGE)
  const newest = await telemetry((session) =>
    newestValues(
      session,
      shown.map(({ id }) => id),
      NAMES,
    ),
  )
  return {
    devices: shown.map((device) => {
      const own = newest.filter(({ deviceId }) => ownerOf(deviceId) === device.id)
      return {
        ...withBattery(device, own),
        measures: measured(own).map(({ name }) => name),
        position: positionOf(own),
        lastReading: own.length === 0 ? null : Math.max(...own.map(({ at }) => at)),
      }
    }),
    more: found.length > PAGE,
  }
}

export async function oneDevice({ app, telemetry }: Sessions, device: string): Promise<OneDevice> {
  const [facts] = await app((session) => describeDevices(session, [device]))
  const newest = await telemetry((session) => newestValues(session, [device], NAMES))
  return { facts: facts === undefined ? null : withBattery(facts, newest), newest, quantities: FACTS }
}

/** @returns undefined if there is no such site */
export async function siteNow({ app, telemetry }: Sessions, site: string): Promise<SiteNow | undefined> {
  const [facts] = await app((session) => overviewSites(session, site))
  if (facts === undefined) return undefined
  const found = await app((session) => findDevices(session, atSite(site)))
  const devices = found.slice(0, MOST_AT_SITE)
  const ids = devices.map(({ id }) => id)
  const newest = await telemetry((session) => newestValues(session, ids, NAMES))
  return { site: facts, devices, more: found.length > MOST_AT_SITE, newest, quantities: measured(newest) }
}

/** Those that are shown of a site, by ID. Undefined if there is no such site. */
export async function devicesAtSite({ app }: Sessions, site: string): Promise<readonly string[] | undefined> {
  if ((await app((session) => overviewSites(session, site))).length === 0) return undefined
  const found = await app((session) => findDevices(session, atSite(site)))
  return found.slice(0, MOST_AT_SITE).map(({ id }) => id)
}

/** The last 24 hours of a quantity of the devices of a site and their channels, by the hour. */
export async function siteDay(sessions: Sessions, site: string, quantity: string, nowMs: number): Promise<SiteDay> {
  const found = await sessions.app((session) => findDevices(session, atSite(site)))
  const ids = found.slice(0, MOST_AT_SITE).map(({ id }) => id)
  const to = Math.floor(nowMs / HOUR_MS) * HOUR_MS + HOUR_MS
  const from = to - DAY_MS
  return await sessions.telemetry(async (session) => {
    const deviceIds = (await newestValues(session, ids, [quantity])).map(({ deviceId }) => deviceId)
    const series = await keptHours(session, { deviceIds, fromMs: from, toMs: to }, quantity)
    return { quantity, from, to, series }
  })
}

function atSite(site: string): DeviceQuestion {
  return { search: '', account: null, site, state: null, after: null, most: MOST_AT_SITE + 1 }
}

/** In the order of the schema. */
function measured(newest: readonly NewestValue[]): readonly QuantityFacts[] {
  const seen = new Set(newest.map(({ quantity }) => quantity))
  return FACTS.filter(({ name }) => seen.has(name))
}

/** Process contact, which would note the battery, runs only if it is asked for. */
function withBattery(device: DeviceFacts, newest: readonly NewestValue[]): DeviceFacts {
  const of = (name: string): number | null => newest.find((each) => each.deviceId === device.id && each.quantity === name)?.value ?? null
  return {
    ...device,
    batteryVoltage: device.batteryVoltage ?? of('battery_voltage'),
    batteryLevel: device.batteryLevel ?? of('battery_level'),
  }
}

/** Of the device itself, or of whichever channel has one. */
function positionOf(newest: readonly NewestValue[]): Position | null {
  const latitude = newest.find(({ quantity }) => quantity === 'latitude')
  const longitude = newest.find(({ quantity, deviceId }) => quantity === 'longitude' && deviceId === latitude?.deviceId)
  return latitude === undefined || longitude === undefined ? null : { latitude: latitude.value, longitude: longitude.value }
}

/** The device of a channel; a device is its own. */
function ownerOf(deviceId: string): string {
  const slash = deviceId.indexOf('/')
  return slash === -1 ? deviceId : deviceId.slice(0, slash)
}
