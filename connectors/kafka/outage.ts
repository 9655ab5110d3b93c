import { ConnectorError } from '../contract.ts'
import { KafkaJSProtocolError } from './kafkajs.ts'

/** Answers of a broker that waiting does not change. */
const FINAL: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_SASL_MECHANISM',
  'SASL_AUTHENTICATION_FAILED',
])
/**
 * Errors of kafkajs for a cluster that is not there, or not ready. It wraps them in the error of
 * its retries.
 */
const OUTAGES: ReadonlySet<string> = new Set([
  'KafkaJSBrokerNotFound',
  'KafkaJSConnectionClosedError',
  'KafkaJSConnectionError',
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSLockTimeout',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSTimeout',
])

/**
 * Errors that its retries wrap around another: retries exceeded, or, if one retry is inside
 * another, not to be retried.
 */
const WRAPPERS: ReadonlySet<string> = new Set(['KafkaJSNumberOfRetriesExceeded', 'KafkaJSNonRetriableError'])

/**
 * An error of kafkajs as a ConnectorError: transient if Kafka is not there; its code is Kafka's
 * own name for the error, or kafkajs's.
 */
export function kafkaError(doing: string, error: unknown): ConnectorError {
  if (error instanceof ConnectorError) return error
  let cause = error
  while (cause instanceof Error && WRAPPERS.has(cause.name) && cause.cause instanceof Error) cause = cause.cause
  if (cause instanceof KafkaJSProtocolError) return new ConnectorError(`KAFKA_${cause.type}`, !FINAL.has(cause.type), doing, cause)
  const name = cause instanceof Error ? cause.name : 'unknown'
  return new ConnectorError(name, OUTAGES.has(name), doing, cause)
}
