import { createDatabase } from '../connectors/postgres/database.ts'
import { addRules, GatewayRuleError, listRules, removeRules } from '../connectors/postgres/gateways.ts'
import { DEVICE_PATTERN_EXPECTED, type DevicePattern, parseDevicePattern } from '../processors/device-pattern.ts'
import { visible } from '../processors/visible.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print } from './print.ts'

/** Longest name of a gateway that can have rules. */
const MOST_BYTES = 512

interface RulesOptions extends ConfigOption {
  readonly remove?: true | undefined
}

/** `millrace devices via` */
export async function gatewayRules(
  name: string | undefined,
  texts: readonly string[],
  { config: file, remove }: RulesOptions,
): Promise<number> {
  if (remove && texts.length === 0) throw new UsageError('--remove: expected a gateway, and the patterns that it loses')
  const gateway = name === undefined ? undefined : gatewayName(name, 'gateway')
  const patterns = texts.map(devicePattern)
  const { env } = loadConfig(process.env, file)
  await using database = createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace devices' })
  if (gateway === undefined || patterns.length === 0) {
    for (const rule of await listRules(database, gateway)) process.stdout.write(`${visible(rule.gateway)}\t${visible(rule.device)}\n`)
    return 0
  }
  try {
    const { changed, devices } = await (remove ? removeRules : addRules)(database, gateway, patterns)
    print(
      remove
        ? `${gateway}: ${changed} rules fewer, which ${devices} known devices were in`
        : `${gateway}: ${changed} new of ${patterns.length} rules, for ${devices} devices that are known now`,
    )
    return 0
  } catch (cause) {
    if (!(cause instanceof GatewayRuleError)) throw cause
    throw new ConfigError(`${cause.message}; nothing was changed`, { cause })
  }
}

/** @throws ConfigError that names the value and what was expected */
export function gatewayName(name: string, what: string): string {
  const refuse = (expected: string): never => {
    throw new ConfigError(`${what}: expected ${expected}, got ${JSON.stringify(name)}`)
  }
  if (name === '' || /\p{Cc}/u.test(name)) return refuse('the identity in the topic of a gateway, without control characters')
  if (Buffer.byteLength(name) > MOST_BYTES) return refuse(`at most ${MOST_BYTES} bytes`)
  if (name.split('/').some((level) => level === '+' || level === '#')) return refuse('one gateway, and no filter with + or #')
  return name
}

function devicePattern(text: string): DevicePattern {
  const pattern = parseDevicePattern(text)
  if (pattern === undefined) throw new ConfigError(`${JSON.stringify(text)} is not ${DEVICE_PATTERN_EXPECTED}`)
  return pattern
}
