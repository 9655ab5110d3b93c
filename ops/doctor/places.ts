import type { BrokerSettings } from '../../connectors/kafka/broker-settings.ts'
import { fileSystemOf } from './facts/disks.ts'
import type { DatabaseServer, Place } from './facts/facts.ts'
import type { Machine } from './machine.ts'

/** Folders of a server of this machine, and those that are not seen. */
export interface Places {
  readonly places: readonly Place[]
  readonly hidden: readonly string[]
}

/** Its data directory, and where `pg_wal` in there leads. */
export function databasePlaces(machine: Machine, { databases, settings }: Pick<DatabaseServer, 'databases' | 'settings'>): Places {
  const directory = settings.values.get('data_directory')
  if (typeof directory !== 'string')
    return { places: [], hidden: [`the disk of ${databases}: its data directory is told to members of pg_read_all_settings only`] }
  const data = placeAt(machine, { what: `data of ${databases}`, use: 'database', server: databases, path: directory })
  const wal = machine.real(`${directory}/pg_wal`)
  if (wal === undefined)
    return { places: [data], hidden: [`the WAL of ${databases}: only its own user and root may look into ${directory}`] }
  return { places: [data, placeAt(machine, { what: `WAL of ${databases}`, use: 'wal', server: databases, path: wal })], hidden: [] }
}

/** Of brokers that run on this machine: those whose folders are there. */
export function kafkaPlaces(machine: Machine, brokers: readonly BrokerSettings[]): Places {
  const paths = new Set(
    brokers.flatMap(({ values }) => (values.get('log.dirs') ?? values.get('log.dir') ?? '').split(',')).map((path) => path.trim()),
  )
  const places = [...paths]
    .filter((path) => path.startsWith('/') && machine.real(path) !== undefined)
    .map((path) => placeAt(machine, { what: `log of Kafka, ${path}`, use: 'kafka', server: 'kafka', path }))
  return { places, hidden: places.length === 0 ? ['the disk of Kafka: no folder of its log.dirs is seen here'] : [] }
}

function placeAt(machine: Machine, place: Pick<Place, 'what' | 'use' | 'server' | 'path'>): Place {
  return { ...place, fileSystem: fileSystemOf(machine, place.path), space: machine.space(place.path) }
}
