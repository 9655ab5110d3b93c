import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError, type Log } from '../../connectors/contract.ts'
import { createProcessRunner, type ProcessRunner } from '../../connectors/postgres/process-runner.ts'
import type { ConsumerName, DeviceId, Topic } from '../../processors/contract.ts'
import type { BusinessProcess, DeviceInputs } from '../../processors/process.ts'
import { type CuttingProxy, cuttingProxy } from './cutting-proxy.ts'

/** A record of a partition, as the process reads it. */
export interface LoggedRecord<Item> {
  readonly device: DeviceId
  readonly items: readonly Item[]
}

export interface Race<Item> {
  readonly url: string
  readonly consumer: ConsumerName
  readonly businessProcess: BusinessProcess<Item>
  /** Records by partition, in Kafka's order. */
  readonly logs: readonly (readonly LoggedRecord<Item>[])[]
  readonly instances: number
  readonly mostRecords: number
  /** Share of the batches that something happens to. */
  readonly trouble: number
  /** From 0 up to 1. */
  readonly chance: () => number
}

/** What happened. */
export interface RaceCounts {
  batches: number
  killed: number
  takenOver: number
  fenced: number
}

interface Instance {
  readonly proxy: CuttingProxy
  readonly runner: ProcessRunner
}

const topic = 'telemetry.readings' as Topic
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
/** Where an instance dies: as it sends this, or once that is done. */
const DEATHS = ['SAVEPOINT device', 'FOR UPDATE', 'found_site', 'assign_from', 'INSERT INTO movements', 'UPDATE movement_tracks', 'COMMIT']
const DOWN_MS = 3

/**
 * Several instances of a process work off partitions, each with a connection of its own. Now and
 * then one is killed within a batch, or another takes its partition while it is at it, and both
 * commit the same batch. Returns once all is committed.
 */
export async function race<Item>(options: Race<Item>): Promise<RaceCounts> {
  const { url, consumer, businessProcess, logs, mostRecords, trouble, chance } = options
  const counts: RaceCounts = { batches: 0, killed: 0, takenOver: 0, fenced: 0 }
  const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(chance() * values.length)] as Value
  const instances: Instance[] = []
  for (let number = 0; number < options.instances; number++) {
    const proxy = await cuttingProxy(url)
    instances.push({ proxy, runner: createProcessRunner({ url: proxy.url, log: silent }) })
  }

  /** Undefined if the instance was cut off: somebody else must find out how far it came. */
  async function unlessCut<Result>(work: Promise<Result>): Promise<Result | undefined> {
    try {
      return await work
    } catch (cause) {
      if (cause instanceof ConnectorError && cause.transient) return undefined
      throw cause
    }
  }

  async function workOff(partition: number, log: readonly LoggedRecord<Item>[]): Promise<void> {
    for (;;) {
      const owner = pick(instances)
      const claims = await unlessCut(owner.runner.claim(consumer, 'topic-1', [{ topic, partition, earliest: 0n }]))
      if (claims?.[0] === undefined) {
        await delay(DOWN_MS)
        continue
      }
      const { epoch, nextOffset } = claims[0]
      for (let at = Number(nextOffset); ; ) {
        if (at === log.length) return
        const batch = log.slice(at, at + 1 + Math.floor(chance() * mostRecords))
        const to = at + batch.length
        const move = { topic, partition, from: BigInt(at), to: BigInt(to), leaderEpoch: 0, epoch, handled: batch.length, dead: 0 }
        const committing = unlessCut(
          owner.runner.commit(consumer, businessProcess, { devices: byDevice(businessProcess, batch), moves: [move] }),
        )
        counts.batches++
        const luck = chance()
        if (luck < trouble / 2) {
          counts.killed++
          owner.proxy.cutNext(pick(DEATHS), chance() < 0.5 ? 'before-sending' : 'after-answer', 'down')
        } else if (luck < trouble) {
          // The next claim is somebody else's, and this batch is still under way.
          counts.takenOver++
          await delay(chance() * DOWN_MS)
          const other = workOff(partition, log)
          other.catch(() => undefined)
          if ((await committing)?.tag === 'fenced') counts.fenced++
          return other
        }
        const result = await committing
        if (result?.tag === 'committed') at = to
        else if (result?.tag === 'rejected') throw new Error(`rejected: ${JSON.stringify(result)}`)
        else {
          if (result?.tag === 'fenced') counts.fenced++
          break
        }
      }
    }
  }

  let over = false
  /** Who was killed is started again a moment later. */
  const supervisor = (async () => {
    while (!over) {
      await delay(DOWN_MS)
      for (const { proxy } of instances) proxy.up()
    }
  })()
  try {
    await Promise.all(logs.map((log, partition) => workOff(partition, log)))
  } finally {
    over = true
    await supervisor
    for (const { runner, proxy } of instances) {
      await runner[Symbol.asyncDispose]()
      await proxy[Symbol.asyncDispose]()
    }
  }
  return counts
}

/** As the loop gives them to the process. */
function byDevice<Item>(
  { order, time }: Pick<BusinessProcess<Item>, 'order' | 'time'>,
  records: readonly LoggedRecord<Item>[],
): readonly DeviceInputs<Item>[] {
  const devices = new Map<DeviceId, Item[]>()
  for (const { device, items } of records) devices.set(device, [...(devices.get(device) ?? []), ...items])
  return [...devices].map(([device, items]) => ({
    device,
    items: order === 'as-they-came' ? items : items.sort((a, b) => (order === 'oldest-first' ? time(a) - time(b) : time(b) - time(a))),
    records: [],
  }))
}
