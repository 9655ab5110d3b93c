import { ConnectorError } from '../connectors/contract.ts'
import { kafkaError } from '../connectors/kafka/outage.ts'
import { BackendError } from '../connectors/postgres/backend-choice.ts'
import { AssignmentError } from '../connectors/postgres/devices.ts'
import { MigrationError } from '../connectors/postgres/migrations.ts'
import { SchemaFileError } from '../schemas/files.ts'
import { ConfigError } from './config.ts'

const EXPECTED = [ConfigError, BackendError, MigrationError, AssignmentError, SchemaFileError] as const
/** Codes of ConnectorError for what is our own doing. */
const DEFECTS: ReadonlySet<string> = new Set(['unexpected', 'disposed', 'MQTT_HANDLER'])

/**
 * What to say of a failure that is not a defect of the program: a configuration, a database or a
 * file that is not what it must be, something that is down or refuses. Whoever meets it needs its
 * words; a stack would bury them.
 * @returns undefined for everything else
 */
export function expectedFailure(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined
  if (EXPECTED.some((kind) => cause instanceof kind)) return cause.message
  if (cause instanceof ConnectorError) return DEFECTS.has(cause.code) ? undefined : cause.message
  if (cause.name.startsWith('KafkaJS')) return kafkaError('asking Kafka', cause).message
  // Of the operating system: no such file, no space left.
  if ('syscall' in cause && 'errno' in cause) return cause.message
  return undefined
}
