import avro from 'avsc'
import { isObject } from '../../schemas/json.ts'
import type { DeviceId } from '../contract.ts'

/** A status message that is not what the bridge takes. Its text is the dead letter's detail. */
export class StatusRefusal extends Error {}

/** Encodes a status message as DeviceStatus in the registry's wire format. Throws StatusRefusal. */
export type StatusEncoder = (text: string, device: DeviceId, receivedMs: number) => Buffer

const STATES = ['init', 'ready', 'sleeping', 'lost']

/**
 * Takes `{"state": "init|ready|sleeping|lost", "boot": number?, "firmware": string?, …}`; what else is in it goes into `detail` as JSON.
 * @param schema parsed schemas/device-status.avsc
 * @param schemaId its ID in the registry
 */
export function createStatusEncoder(schema: unknown, schemaId: number): StatusEncoder {
  const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', omitRecordMethods: true, logicalTypes: {} })
  const header = Buffer.alloc(5)
  header.writeUInt32BE(schemaId, 1)
  return (text, device, receivedMs) => {
    const { state, boot, firmware, ...others } = parseObject(text)
    if (typeof state !== 'string' || !STATES.includes(state))
      throw new StatusRefusal(`"state": expected one of ${STATES.join(', ')}, got ${shown(state)}`)
    if (boot !== undefined && boot !== null && (typeof boot !== 'number' || boot !== (boot | 0))) {
      throw new StatusRefusal(`"boot": expected a 32-bit integer, got ${shown(boot)}`)
    }
    if (firmware !== undefined && firmware !== null && typeof firmware !== 'string')
      throw new StatusRefusal(`"firmware": expected text, got ${shown(firmware)}`)
    const status = {
      device_id: device,
      received: receivedMs * 1000,
      state,
      boot: boot ?? null,
      firmware: firmware ?? null,
      detail: Object.keys(others).length === 0 ? null : JSON.stringify(others),
    }
    return Buffer.concat([header, type.toBuffer(status)])
  }
}

function parseObject(text: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new StatusRefusal(`expected JSON: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  if (!isObject(parsed)) throw new StatusRefusal(`expected an object with "state", got ${shown(parsed)}`)
  return parsed
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 100)
}
