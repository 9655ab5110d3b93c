import { createProcessRunner, type DeviceRejection } from '../../connectors/postgres/process-runner.ts'
import type { KafkaRecord, Rejection } from '../../processors/contract.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'
import { type BusinessProcess, type DeviceInputs, inputsByDevice, withLookups } from '../../processors/process.ts'
import { openLookups } from '../../services/lookups.ts'
import { openOutputs } from '../../services/process/outputs.ts'
import { UNDECODABLE } from '../../services/processor/engine.ts'
import { throughOutages } from '../../services/through-outages.ts'
import { createRedrivePlaces, type RedrivePlace } from './places.ts'
import { recordOf } from './processor.ts'
import type { Attempt, RedriveWay, WayParts } from './way.ts'

/**
 * Handles all of the devices, or none: then it returns the rejected ones. `dead`: how many records
 * of the chunk belong to none of these devices.
 */
type Handle = (
  businessProcess: BusinessProcess<unknown>,
  devices: readonly DeviceInputs<unknown>[],
  dead: number,
) => Promise<readonly DeviceRejection[]>

/**
 * The way for business processes. It handles each device's records again, in one transaction with
 * the run's own offsets.
 */
export async function openProcessWay(parts: WayParts, businessProcess: BusinessProcess<unknown>): Promise<RedriveWay> {
  const { config, consumer } = parts
  const lookups = await openLookups(businessProcess, parts)
  // The service sends what is emitted: its outbox is that of the process.
  const outputs = await openOutputs(parts.registry, parts.name, businessProcess, parts.limits)
  const runner = createProcessRunner({ url: config.env.APP_DATABASE_URL, log: parts.log, outputs })
  const placeOf = createRedrivePlaces(runner, parts)

  /** Handles all devices that are not rejected. Returns an attempt for each record. */
  async function run(records: readonly KafkaRecord[], handle: Handle): Promise<readonly Attempt[]> {
    await lookups.prepare(records)
    const prepared = { ...lookups }
    const { devices, undecodable } = inputsByDevice(businessProcess, records, prepared)
    const handled = withLookups(businessProcess, prepared)
    const again = new Map<KafkaRecord, Rejection>(
      undecodable.map(({ record, detail }) => [record, { reason: UNDECODABLE, detail, samples: [] }]),
    )
    let left = devices
    for (;;) {
      const rejected = await handle(handled, left, again.size)
      if (rejected.length === 0) break
      const reasons = new Map(rejected.map((rejection) => [rejection.device, rejection]))
      for (const inputs of left) {
        const rejection = reasons.get(inputs.device)
        if (rejection === undefined) continue
        for (const record of inputs.records) again.set(record, { reason: rejection.reason, detail: rejection.detail, samples: [] })
      }
      left = left.filter(({ device }) => !reasons.has(device))
    }
    return records.map((record) => {
      const rejection = again.get(record)
      return { outputs: rejection === undefined ? 1 : 0, dropped: null, again: rejection === undefined ? [] : [rejection] }
    })
  }

  /** Commits the devices that are left of a chunk, unless some are rejected. */
  function committing(deadLetters: readonly FoundDeadLetter[], place: RedrivePlace, last: FoundDeadLetter): Handle {
    return async (handled, devices, dead) => {
      const { topic, partition } = last
      const move = {
        topic,
        partition,
        from: place.position,
        to: last.offset + 1n,
        leaderEpoch: -1,
        epoch: place.epoch,
        handled: deadLetters.length - dead,
        dead,
      }
      const result = await throughOutages(
        'committing redriven records',
        () => runner.commit(consumer, handled, { devices, moves: [move] }),
        parts,
      )
      switch (result.tag) {
        case 'committed':
          place.position = move.to
          return []
        case 'rejected':
          return result.rejections
        case 'fenced':
          throw new Error(`the offsets of ${consumer} were moved by somebody else: begin another redrive`)
      }
    }
  }

  return {
    output: { noun: 'record', verb: 'handled' },
    async attempt(deadLetters) {
      const [first, last] = [deadLetters[0], deadLetters.at(-1)]
      if (first === undefined || last === undefined) return []
      return run(
        deadLetters.map((found) => recordOf(found)),
        committing(deadLetters, await placeOf(first), last),
      )
    },
    dryRun: (deadLetters) =>
      run(
        deadLetters.map((found) => recordOf(found)),
        (handled, devices) => throughOutages('trying redriven records', () => runner.dryRun(consumer, handled, devices), parts),
      ),
    async [Symbol.asyncDispose]() {
      await runner[Symbol.asyncDispose]()
      await lookups[Symbol.asyncDispose]()
    },
  }
}
