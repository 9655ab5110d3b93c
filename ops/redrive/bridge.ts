import { openFirmwareDirectory } from '../../connectors/registry/firmware-directory.ts'
import { BridgeCounters } from '../../processors/bridge/counters.ts'
import { createFingerprints } from '../../processors/bridge/fingerprints.ts'
import { createForwarder } from '../../processors/bridge/forward.ts'
import { partOfJson } from '../../processors/bridge/json-part.ts'
import { createRouter } from '../../processors/bridge/routes.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import type { DeadLetterLimits } from '../../processors/dead-letter-budget.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import { deviceStatusSchema } from '../../schemas/generated/device-status.ts'
import { rawSchema } from '../../schemas/generated/raw.ts'
import { forwarding } from '../../services/bridge/forwarding.ts'
import { bridgeRoutes } from '../../services/config.ts'
import { openDialects } from '../../services/dialects.ts'
import { openDeadLetterCodec, registeredId } from '../../services/registered.ts'
import { firmwareOptions } from '../../services/schema-registry.ts'
import { createRecordsWay } from './records.ts'
import type { RedriveWay, WayParts } from './way.ts'

const UNBOUNDED: DeadLetterLimits = {
  deadLetters: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
  totalBytes: Number.POSITIVE_INFINITY,
  windowMs: 1,
}
const MICROS_PER_MILLI = 1000
const HALF_MILLI_MICROS = 500

/**
 * The way for the bridge. It forwards again, with the fingerprints that the registry has by now and
 * the time of the first receipt.
 */
export async function openBridgeWay({ config, name, receipt, registry, producer, limits, log, signal }: WayParts): Promise<RedriveWay> {
  const directory = await openFirmwareDirectory(firmwareOptions(config, log, signal))
  const codec = await openDeadLetterCodec(registry, deadTopic(name))
  const statusSchemaId = await registeredId(registry, topics.deviceStatus, deviceStatusSchema)
  const dialects = await openDialects({ config, log })
  const rawSchemaId = await registeredId(registry, topics.raw, rawSchema)
  const route = createRouter(bridgeRoutes(config), dialects.current())
  const counters = new BridgeCounters()
  let fingerprints = createFingerprints(new Map())
  const forward = createForwarder({
    ...forwarding({ config, limits, codec, statusSchemaId, rawSchemaId, route, counters }),
    // What still has no route fails again, whatever the bridge does with new ones.
    keepUnknown: true,
    keptDeadLetters: UNBOUNDED,
    // Only reads what fails again. The run writes the dead letters, and bounds them.
    deadLetterBytes: Number.POSITIVE_INFINITY,
  })
  return createRecordsWay({
    dead: deadTopic(name),
    codec,
    producer,
    prepare: async () => {
      await directory.refresh()
      fingerprints = createFingerprints(directory.fingerprints())
    },
    processRecord: ({ offset, deadLetter }) => {
      const { source_topic, value, samples, quantities } = deadLetter
      const receivedMs = receipt(deadLetter)
      const before = { ...counters.dropped }
      const records: OutgoingRecord[] = []
      // A copy, because forwarding overwrites the payload's header, and a dead letter's bytes must
      // stay as they are.
      const payload = Buffer.from(partOfJson(value ?? Buffer.alloc(0), { samples, quantities }))
      const message = {
        topic: source_topic,
        payload,
        retain: false,
        receivedMs,
        // A message without a time gets that of its receipt, in the second half of the millisecond:
        // the bridge has given away the first half. The dead letter's offset decides, so that a run
        // that is killed and begun again gives the same times.
        estimateMicros: receivedMs * MICROS_PER_MILLI + HALF_MILLI_MICROS + Number(offset % BigInt(HALF_MILLI_MICROS)),
      }
      forward([message], 0, fingerprints, true, records)
      const dropped = Object.entries(counters.dropped).find(([reason, times]) => times > before[reason as keyof typeof before])
      return { records, dropped: dropped?.[0] ?? null }
    },
    close: async () => {
      await dialects[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  })
}
