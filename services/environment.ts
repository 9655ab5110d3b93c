import { z } from 'zod'
import { withFiles } from '../connectors/address-files.ts'
import { type AddressKind, addressFault, brokersFault } from './address-check.ts'
import { LOG_FORMATS, LOG_LEVELS } from './log.ts'

function checked(faultOf: (value: string) => string | undefined): z.ZodString {
  return z.string().superRefine((value, context) => {
    const fault = faultOf(value)
    if (fault !== undefined) context.addIssue(fault)
  })
}

function address(kind: AddressKind, otherwise: string): z.ZodDefault<z.ZodString> {
  return checked((value) => addressFault(value, kind)).default(otherwise)
}

function optionalAddress(kind: AddressKind): z.ZodOptional<z.ZodString> {
  return checked((value) => addressFault(value, kind)).optional()
}

const MQTT: AddressKind = { schemes: ['mqtt', 'mqtts'], example: 'mqtt://host:port or mqtts://host:port', path: false }
const HTTP: AddressKind = {
  schemes: ['http', 'https'],
  example: 'http://host:port/path or https://host:port/path',
  path: true,
  files: true,
}
const POSTGRES: AddressKind = {
  schemes: ['postgres', 'postgresql'],
  example: 'postgres://host:port/database',
  path: true,
  files: true,
  several: true,
}

/** Addresses of those who have a user of their own. */
const OWN_ADDRESSES = [
  'TELEMETRY_OWNER_URL',
  'TELEMETRY_STORE_URL',
  'TELEMETRY_PROCESSES_URL',
  'TELEMETRY_WATCH_URL',
  'TELEMETRY_READER_URL',
  'APP_OWNER_URL',
  'APP_STORE_URL',
  'APP_PROCESSES_URL',
  'APP_WATCH_URL',
  'APP_READER_URL',
  'APP_BROKER_URL',
] as const

const TOGETHER = [
  ['KAFKA_USERNAME', 'KAFKA_PASSWORD'],
  ['REGISTRY_USERNAME', 'REGISTRY_PASSWORD'],
  ['MQTT_CERT_FILE', 'MQTT_KEY_FILE'],
  ['MQTT_WATCH_CERT_FILE', 'MQTT_WATCH_KEY_FILE'],
  ['KAFKA_CERT_FILE', 'KAFKA_KEY_FILE'],
  ['POSTGRES_CERT_FILE', 'POSTGRES_KEY_FILE'],
] as const

const MQTT_FILES = ['MQTT_CA_FILE', 'MQTT_CERT_FILE', 'MQTT_KEY_FILE', 'MQTT_WATCH_CERT_FILE', 'MQTT_WATCH_KEY_FILE'] as const

/** Variables of the environment: addresses and secrets. */
export const environment = z
  .object({
    MILLRACE_LOG_FORMAT: z.enum(LOG_FORMATS).optional(),
    MILLRACE_LOG_LEVEL: z.enum(LOG_LEVELS).optional(),
    MQTT_URL: address(MQTT, 'mqtt://127.0.0.1:1883'),
    MQTT_USERNAME: z.string().optional().describe('Of the bridge; else that of the URL, else millrace-bridge.'),
    MQTT_PASSWORD: z.string().optional(),
    MQTT_WATCH_USERNAME: z.string().default('millrace-watch').describe('Of `millrace watch`, which reads what the broker tells of itself.'),
    MQTT_WATCH_PASSWORD: z.string().optional(),
    MQTT_WATCH_CERT_FILE: z.string().optional(),
    MQTT_WATCH_KEY_FILE: z.string().optional(),
    MQTT_FLEET_USERNAME: z
      .string()
      .optional()
      .describe('Of `millrace fleet` and `millrace demo`, if one user may publish for all of their devices; else each device has its ID.'),
    MQTT_FLEET_PASSWORD: z.string().optional(),
    MQTT_CA_FILE: z.string().optional(),
    MQTT_CERT_FILE: z.string().optional(),
    MQTT_KEY_FILE: z.string().optional(),
    KAFKA_BROKERS: checked(brokersFault).default('127.0.0.1:9092'),
    KAFKA_USERNAME: z.string().optional(),
    KAFKA_PASSWORD: z.string().optional(),
    KAFKA_CA_FILE: z.string().optional(),
    KAFKA_CERT_FILE: z.string().optional(),
    KAFKA_KEY_FILE: z.string().optional(),
    // Of those who have a user of their own there: docs/roles.md.
    KAFKA_OWNER_PASSWORD: z.string().optional(),
    KAFKA_BRIDGE_PASSWORD: z.string().optional(),
    KAFKA_PROCESSORS_PASSWORD: z.string().optional(),
    KAFKA_CONTINUITY_PASSWORD: z.string().optional(),
    KAFKA_STORE_PASSWORD: z.string().optional(),
    KAFKA_WATCH_PASSWORD: z.string().optional(),
    REGISTRY_URL: address(HTTP, 'http://127.0.0.1:8081/apis/ccompat/v7'),
    REGISTRY_USERNAME: z.string().optional(),
    REGISTRY_PASSWORD: z.string().optional(),
    REGISTRY_CA_FILE: z.string().optional(),
    POSTGRES_CA_FILE: z.string().optional(),
    POSTGRES_CERT_FILE: z.string().optional(),
    POSTGRES_KEY_FILE: z.string().optional(),
    TELEMETRY_DATABASE_URL: address(POSTGRES, 'postgres://millrace@127.0.0.1:5433/telemetry'),
    APP_DATABASE_URL: address(POSTGRES, 'postgres://millrace@127.0.0.1:5433/app'),
    // Of those who have a user of their own there: docs/roles.md.
    TELEMETRY_OWNER_URL: optionalAddress(POSTGRES),
    TELEMETRY_STORE_URL: optionalAddress(POSTGRES),
    TELEMETRY_PROCESSES_URL: optionalAddress(POSTGRES),
    TELEMETRY_WATCH_URL: optionalAddress(POSTGRES),
    APP_OWNER_URL: optionalAddress(POSTGRES),
    APP_STORE_URL: optionalAddress(POSTGRES),
    APP_PROCESSES_URL: optionalAddress(POSTGRES),
    APP_WATCH_URL: optionalAddress(POSTGRES),
    TELEMETRY_READER_URL: optionalAddress(POSTGRES),
    APP_READER_URL: optionalAddress(POSTGRES),
    APP_BROKER_URL: optionalAddress(POSTGRES),
    MILLRACE_OPS_TOKEN: z.string().optional().describe('Whoever has it may act on the page of `millrace ops`; without it nobody may.'),
  })
  .superRefine((env, context) => {
    const require = (name: keyof typeof env, because: string): void => {
      if (env[name] === undefined) context.addIssue({ code: 'custom', path: [name], message: `expected with ${because}` })
    }
    // With one of the two missing it would connect in plain text, or without a user.
    for (const [one, other] of TOGETHER) {
      if (env[one] !== undefined) require(other, one)
      if (env[other] !== undefined) require(one, other)
    }
    if (env.POSTGRES_CERT_FILE !== undefined) require('POSTGRES_CA_FILE', 'POSTGRES_CERT_FILE')
    // An invalid address has been reported already.
    if (URL.canParse(env.REGISTRY_URL)) {
      const { protocol, username } = new URL(env.REGISTRY_URL)
      if (protocol !== 'https:' && env.REGISTRY_CA_FILE !== undefined)
        context.addIssue({
          code: 'custom',
          path: ['REGISTRY_URL'],
          message: 'expected https:// with REGISTRY_CA_FILE',
          input: env.REGISTRY_URL,
        })
      if (username !== '' && env.REGISTRY_USERNAME !== undefined)
        context.addIssue({
          code: 'custom',
          path: ['REGISTRY_USERNAME'],
          message: 'expected nothing beside the user name of REGISTRY_URL',
          input: env.REGISTRY_USERNAME,
        })
    }
    if (!URL.canParse(env.MQTT_URL)) return
    const { protocol, username } = new URL(env.MQTT_URL)
    const files = MQTT_FILES.filter((name) => env[name] !== undefined)
    if (protocol !== 'mqtts:' && files.length > 0)
      context.addIssue({ code: 'custom', path: ['MQTT_URL'], message: `expected mqtts:// with ${files.join(', ')}`, input: env.MQTT_URL })
    if (username !== '' && env.MQTT_USERNAME !== undefined && env.MQTT_USERNAME !== decodeURIComponent(username))
      context.addIssue({
        code: 'custom',
        path: ['MQTT_USERNAME'],
        message: 'expected the user name of MQTT_URL, or one of the two only',
        input: env.MQTT_USERNAME,
      })
  })
  .transform((env) => {
    const files = { caFile: env.POSTGRES_CA_FILE, certFile: env.POSTGRES_CERT_FILE, keyFile: env.POSTGRES_KEY_FILE }
    const own = Object.fromEntries(OWN_ADDRESSES.flatMap((name) => (env[name] === undefined ? [] : [[name, withFiles(env[name], files)]])))
    return {
      ...env,
      ...own,
      TELEMETRY_DATABASE_URL: withFiles(env.TELEMETRY_DATABASE_URL, files),
      APP_DATABASE_URL: withFiles(env.APP_DATABASE_URL, files),
      REGISTRY_URL: withFiles(withUser(env.REGISTRY_URL, env.REGISTRY_USERNAME, env.REGISTRY_PASSWORD), { caFile: env.REGISTRY_CA_FILE }),
    }
  })

/** Names of all of them. */
export const ENVIRONMENT_NAMES: readonly string[] = Object.keys(environment.in.shape)

function withUser(address: string, username: string | undefined, password: string | undefined): string {
  if (username === undefined || password === undefined) return address
  return address.replace('://', () => `://${encodeURIComponent(username)}:${encodeURIComponent(password)}@`)
}
