import { parseDeviceId } from '../../processors/contract.ts'
import { createDatabase, type Database } from './database.ts'

/** Says which names are devices. Everything throws ConnectorError. */
export interface KnownDevices extends AsyncDisposable {
  /** Looks names up, unless the answer is known. */
  ask(names: Iterable<string>): Promise<void>
  /** Whether a name that was asked for is a device's. */
  has(name: string): boolean
}

/** How long a name that is no device's is not asked for again: it may become one. */
const ABSENT_MS = 5_000
/** Most names remembered that are no devices: anybody can make them up. */
const MOST_ABSENT = 20_000
const NAMES = 5_000

/** @param url the application's database */
export function createKnownDevices(url: string, applicationName: string): KnownDevices {
  const database: Database = createDatabase({ url, applicationName })
  // As many as there are devices.
  const present = new Set<string>()
  /** By name, the time until which it is not asked for again. */
  const absent = new Map<string, number>()

  return {
    async ask(names) {
      const nowMs = Date.now()
      const wanted = [...new Set(names)].filter((name) => !present.has(name) && !((absent.get(name) ?? 0) > nowMs))
      // A name that is no device ID cannot be a device's, and the database may not even take it as
      // text.
      const ids = wanted.filter((name) => parseDeviceId(name) !== undefined)
      for (let at = 0; at < ids.length; at += NAMES) {
        const found = await database.use((session) =>
          session.query<{ id: string }>('looking up devices', 'SELECT id FROM devices WHERE id = ANY ($1)', [ids.slice(at, at + NAMES)]),
        )
        for (const { id } of found) present.add(id)
      }
      if (absent.size > MOST_ABSENT) absent.clear()
      for (const name of wanted) {
        if (present.has(name)) absent.delete(name)
        else absent.set(name, nowMs + ABSENT_MS)
      }
    },
    has: (name) => present.has(name),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}
