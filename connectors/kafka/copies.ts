import { ConnectorError } from '../contract.ts'

/** Copies of a topic, as the configuration has them. */
export interface WantedCopies {
  /** `auto`: three, or as many as there are brokers if those are fewer. */
  readonly replicationFactor: number | 'auto'
  /** `auto`: two if there are three copies or more, else one. */
  readonly minInsyncReplicas: number | 'auto'
}

/** Copies of a topic, as it is created. */
export interface Copies {
  readonly replicationFactor: number
  readonly minInsyncReplicas: number
}

/** With one of three brokers away, two copies of each record are left. */
const COPIES = 3

/**
 * @param brokers that Kafka has now
 * @throws ConnectorError if there cannot be so many copies, or too few to be written to
 */
export function copiesOn(brokers: number, wanted: WantedCopies): Copies {
  const replicationFactor = wanted.replicationFactor === 'auto' ? Math.min(COPIES, brokers) : wanted.replicationFactor
  if (replicationFactor > brokers)
    throw new ConnectorError(
      'KAFKA_INVALID_REPLICATION_FACTOR',
      true,
      `topics.replication_factor: ${replicationFactor} copies need as many brokers, and Kafka has ${brokers} now`,
    )
  const minInsyncReplicas = wanted.minInsyncReplicas === 'auto' ? (replicationFactor >= COPIES ? 2 : 1) : wanted.minInsyncReplicas
  if (minInsyncReplicas > replicationFactor)
    throw new ConnectorError(
      'KAFKA_INVALID_CONFIG',
      false,
      `topics.min_insync_replicas: ${minInsyncReplicas} of ${replicationFactor} copies cannot be in step; nothing could be written`,
    )
  return { replicationFactor, minInsyncReplicas }
}
