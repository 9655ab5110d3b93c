import { avroType } from '../../schemas/avro-type.ts'
import { isObject } from '../../schemas/json.ts'
import { wireHeader } from '../../schemas/wire-format.ts'
import type { DeviceId } from '../contract.ts'
import { shown } from '../shown.ts'
import { depthOf, JsonText, TextRefusal } from './json-text.ts'
import { repeatedNames } from './repeated-names.ts'

/** A status as it came from MQTT. */
export interface StatusMessage {
  readonly payload: Buffer
  /** Milliseconds since 1970. */
  readonly receivedMs: number
  /** Whether it came out of the broker's store of retained messages. */
  readonly retain: boolean
}

/** Encodes a status message as DeviceStatus in the registry's wire format. Throws TextRefusal. */
export type StatusEncoder = (message: StatusMessage, device: DeviceId) => Buffer

const STATES = ['init', 'ready', 'sleeping', 'lost']
const MOST_FIRMWARE_CHARACTERS = 200
const MOST_DEPTH = 32
/**
 * What no text column of PostgreSQL takes: NUL, and halves of surrogate pairs, which JSON can spell
 * and UTF-8 cannot.
 */
const NO_TEXT = /\0|\p{Surrogate}/u

/**
 * Takes `{"state": "init|ready|sleeping|lost", "boot": number?, "firmware": string?, …}`;
 * everything else in it goes into `detail` as JSON.
 * @param schema parsed schemas/device-status.avsc
 * @param schemaId its ID in the registry
 */
export function createStatusEncoder(schema: unknown, schemaId: number): StatusEncoder {
  const type = avroType(schema)
  const text = new JsonText()
  const header = wireHeader(schemaId)

  function parseObject(payload: Buffer): Record<string, unknown> {
    text.read(payload)
    const depth = depthOf(text.text)
    // The parser has no limit, but writing the JSON again is limited by the stack.
    if (depth > MOST_DEPTH) throw new TextRefusal(`expected JSON of at most ${MOST_DEPTH} levels, got ${depth}`)
    const parsed = text.parse(payload)
    if (!isObject(parsed)) throw new TextRefusal(`expected an object with "state", got ${shown(parsed)}`)
    const [repeated] = repeatedNames(text.text, false)
    if (repeated !== undefined) throw new TextRefusal(`${shown(repeated.name)}: expected once, it is there twice`)
    return parsed
  }

  return ({ payload, receivedMs, retain }, device) => {
    const { state, boot, firmware, ...others } = parseObject(payload)
    if (typeof state !== 'string' || !STATES.includes(state))
      throw new TextRefusal(`"state": expected one of ${STATES.join(', ')}, got ${shown(state)}`)
    if (boot !== undefined && boot !== null && (typeof boot !== 'number' || boot !== (boot | 0)))
      throw new TextRefusal(`"boot": expected a 32-bit integer, got ${shown(boot)}`)
    if (firmware !== undefined && firmware !== null) checkFirmware(firmware)
    const status = {
      device_id: device,
      received: receivedMs * 1000,
      state,
      boot: boot ?? null,
      firmware: firmware ?? null,
      retained: retain,
      detail: detailOf(others),
    }
    return Buffer.concat([header, type.toBuffer(status)])
  }
}

function checkFirmware(firmware: unknown): void {
  if (typeof firmware !== 'string') throw new TextRefusal(`"firmware": expected text, got ${shown(firmware)}`)
  const place = firmware.search(NO_TEXT)
  if (place >= 0) {
    const code = firmware.charCodeAt(place).toString(16).padStart(4, '0')
    throw new TextRefusal(`"firmware": expected text without NUL and halves of characters, got \\u${code} at position ${place}`)
  }
  if (firmware.length > MOST_FIRMWARE_CHARACTERS)
    throw new TextRefusal(`"firmware": expected at most ${MOST_FIRMWARE_CHARACTERS} characters, got ${firmware.length}`)
}

/** What else the device reported, as JSON. Halves of surrogate pairs stay escaped in it. */
function detailOf(others: Readonly<Record<string, unknown>>): string | null {
  return Object.keys(others).length === 0 ? null : JSON.stringify(others)
}
