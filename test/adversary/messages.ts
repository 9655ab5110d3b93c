import { millrace } from '../pipeline/service.ts'
import { testPublisher } from '../pipeline/stack-clients.ts'

/**
 * A message as the lines of a `*.ndjson` case have it: its payload as text, or as bytes in
 * hexadecimal digits.
 */
export interface Message {
  readonly topic: string
  readonly payload?: string | Buffer
  readonly hex?: string
  readonly retain?: boolean
}

/** The messages of a case: one JSON object a line. */
export function messagesOf(lines: string): readonly Message[] {
  return lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Message)
}

/**
 * Publishes them in order with QoS 1, as a client that is allowed everything below `devices/`;
 * resolves when the broker has acknowledged them all.
 */
export async function sendMessages(messages: readonly Message[]): Promise<void> {
  const client = await testPublisher({ clientId: `test-${process.hrtime.bigint()}`, reconnectPeriod: 0 })
  try {
    const acknowledged = messages.map(({ topic, payload, hex, retain = false }) =>
      client.publishAsync(topic, hex === undefined ? (payload ?? '') : Buffer.from(hex, 'hex'), { qos: 1, retain }),
    )
    await Promise.all(acknowledged)
  } finally {
    await client.endAsync()
  }
}

/**
 * Databases migrated, schemas registered, and devices that belong to an account: what a line needs
 * before its services start.
 */
export async function provision(...devices: readonly string[]): Promise<void> {
  await millrace('migrate')
  await millrace('schemas', 'register')
  if (devices.length > 0) await millrace('devices', 'add', '--account', 'test', '--site', 'test', ...devices)
}
