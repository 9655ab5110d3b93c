import { z } from 'zod'
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
const HTTP: AddressKind = { schemes: ['http', 'https'], example: 'http://host:port/path or https://host:port/path', path: true }
const POSTGRES: AddressKind = { schemes: ['postgres', 'postgresql'], example: 'postgres://host:port/database', path: true }

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
    MQTT_CA_FILE: z.string().optional(),
    MQTT_CERT_FILE: z.string().optional(),
    MQTT_KEY_FILE: z.string().optional(),
    KAFKA_BROKERS: checked(brokersFault).default('127.0.0.1:9092'),
    KAFKA_USERNAME: z.string().optional(),
    KAFKA_PASSWORD: z.string().optional(),
    REGISTRY_URL: address(HTTP, 'http://127.0.0.1:8081/apis/ccompat/v7'),
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
    MILLRACE_OPS_TOKEN: z.string().optional().describe('Whoever has it may act on the page of `millrace ops`; without it nobody may.'),
  })
  .superRefine((env, context) => {
    const require = (name: keyof typeof env, because: string): void => {
      if (env[name] === undefined) context.addIssue({ code: 'custom', path: [name], message: `expected with ${because}` })
    }
    // With one of the two missing it would connect in plain text, or without a user.
    if (env.KAFKA_USERNAME !== undefined) require('KAFKA_PASSWORD', 'KAFKA_USERNAME')
    if (env.KAFKA_PASSWORD !== undefined) require('KAFKA_USERNAME', 'KAFKA_PASSWORD')
    if (env.MQTT_CERT_FILE !== undefined) require('MQTT_KEY_FILE', 'MQTT_CERT_FILE')
    if (env.MQTT_KEY_FILE !== undefined) require('MQTT_CERT_FILE', 'MQTT_KEY_FILE')
    // An invalid address has been reported already.
    if (!URL.canParse(env.MQTT_URL)) return
    const { protocol, username } = new URL(env.MQTT_URL)
    const files = (['MQTT_CA_FILE', 'MQTT_CERT_FILE', 'MQTT_KEY_FILE'] as const).filter((name) => env[name] !== undefined)
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
