import { readCpu } from '../../ops/doctor/facts/cpu.ts'
import { fileSystemOf } from '../../ops/doctor/facts/disks.ts'
import type { DatabaseServer, Facts } from '../../ops/doctor/facts/facts.ts'
import { readMemory } from '../../ops/doctor/facts/memory.ts'
import { readNetwork } from '../../ops/doctor/facts/network.ts'
import { readSystem } from '../../ops/doctor/facts/system.ts'
import type { Machine } from '../../ops/doctor/machine.ts'
import { databasePlaces, kafkaPlaces } from '../../ops/doctor/places.ts'
import { inMemory } from './in-memory.ts'
import { DATA, KAFKA } from './topologies.ts'
import type { Tree } from './tree.ts'

/** A server on the machine, with settings of ours over those that it has by default. */
export function server(settings: Readonly<Record<string, string | number>> = {}): DatabaseServer {
  const values = new Map<string, string | number>([['data_directory', DATA], ...Object.entries(settings)])
  return { databases: 'telemetry, app', local: true, disk: undefined, settings: { values, connections: 3, sizeBytes: 0, partitions: 0 } }
}

/** Facts of a machine with a database and Kafka on it; nothing was measured. */
export async function factsOfMachine(machine: Machine): Promise<Facts> {
  const [database, kafka] = [
    databasePlaces(machine, server()),
    kafkaPlaces(machine, [{ id: 1, host: 'localhost', values: new Map([['log.dirs', KAFKA]]) }]),
  ]
  return {
    cpu: readCpu(machine),
    memory: await readMemory(machine),
    network: readNetwork(machine),
    system: await readSystem(machine, '1883'),
    places: [...database.places, ...kafka.places],
    hiddenPlaces: [...database.hidden, ...kafka.hidden],
    sync: { tag: 'unseen', why: 'not measured' },
    databases: { tag: 'unseen', why: 'not asked' },
    kafka: { tag: 'unseen', why: 'not asked' },
    workload: {
      services: ['bridge', 'standardise', 'devices', 'store'],
      partitions: 6,
      retentionHours: 168,
      maxMessageBytes: 2_228_224,
      retentionDays: undefined,
    },
  }
}

export function factsOf(tree: Tree): Promise<Facts> {
  return factsOfMachine(inMemory(tree))
}

/** The disks below a path, in words. */
export function disksBelow(tree: Tree, path: string): readonly string[] {
  return (fileSystemOf(inMemory(tree), path)?.disks ?? []).map(
    ({ name, kind, transport, node }) => `${name}: ${kind}, ${transport}, node ${node ?? 'unknown'}`,
  )
}
