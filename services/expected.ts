import { ConnectorError } from '../connectors/contract.ts'
import { kafkaError } from '../connectors/kafka/outage.ts'
import { BackendError } from '../connectors/postgres/backend-choice.ts'
import { AssignmentError } from '../connectors/postgres/devices.ts'
import { MigrationError } from '../connectors/postgres/migrations.ts'
import { MoveRefused } from '../connectors/postgres/table-move-way.ts'
import { SchemaFileError } from '../schemas/files.ts'
import { ConfigError } from './config.ts'
import { QuantitiesChanged } from './quantities-watch.ts'

const EXPECTED = [ConfigError, BackendError, MigrationError, MoveRefused, AssignmentError, SchemaFileError, QuantitiesChanged] as const
/** Codes of ConnectorError that mean a defect of ours. */
const DEFECTS: ReadonlySet<string> = new Set(['unexpected', 'disposed', 'MQTT_HANDLER'])

/**
 * What to say about a failure that is no defect of the program: a configuration, a database or a
 * file is not what it must be, or something is down or refuses. The reader needs the message; a
 * stack would bury it.
 * @returns undefined for everything else
 */
export function expectedFailure(cause: unknown): string | undefined {
  const message = messageOf(cause)
  return message !== undefined && isRefused(cause) ? `${message}; ${NOBODY_LISTENS}` : message
}

const NOBODY_LISTENS =
  'nothing listens there: start it (the local stack: deploy/local/start in the sources), or say where it is in the environment (docs/configuration.md)'

function isRefused(cause: unknown): boolean {
  for (let each = cause; each instanceof Error; each = each.cause) if ((each as NodeJS.ErrnoException).code === 'ECONNREFUSED') return true
  return false
}

function messageOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined
  if (EXPECTED.some((kind) => cause instanceof kind)) return cause.message
  if (cause instanceof ConnectorError) return DEFECTS.has(cause.code) ? undefined : cause.message
  if (cause.name.startsWith('KafkaJS')) return kafkaError('asking Kafka', cause).message
  // An error of the operating system: no such file, no space left.
  if ('syscall' in cause && 'errno' in cause) return cause.message
  return undefined
}
