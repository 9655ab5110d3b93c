import { parseDeviceId } from '../../processors/contract.ts'
import { createDatabase, type Database } from './database.ts'

/** Which names are those of devices. Everything throws ConnectorError. */
export interface KnownDevices extends AsyncDisposable {
  /** Looks names up, unless the answer is known. */
  ask(names: Iterable<string>): Promise<void>
  /** Whether a name that was asked for is one of a device. */
  has(name: string): boolean
}

/** A name that is none of a device may become one. */
const ABSENT_MS = 5_000
/** Of names that are none of a device so many are remembered: anybody can make them up. */
const MOST_ABSENT = 20_000
const NAMES = 5_000

/** @param url the application's database */
export function createKnownDevices(url: string, applicationName: string): KnownDevices {
  const database: Database = createDatabase({ url, applicationName })
  // As many as there are devices.
  const present = new Set<string>()
  /** By name: until when it is not asked for again. */
  const absent = new Map<string, number>()

  return {
    async ask(names) {
      const nowMs = Date.now()
      const wanted = [...new Set(names)].filter((name) => !present.has(name) && !((absent.get(name) ?? 0) > nowMs))
      // What is no ID cannot be one of a device, and the database may not even take it for text.
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
