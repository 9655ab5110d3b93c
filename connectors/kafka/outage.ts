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

/** What an answer may also mean: Kafka says the same of what a user may not do. */
const OR_NOT_ALLOWED: Readonly<Record<string, string>> = {
  KafkaJSGroupCoordinatorNotFound: 'or this user may not use the consumer group (docs/roles.md)',
  CLUSTER_AUTHORIZATION_FAILED: 'or this user may write none of its topics (docs/roles.md)',
}

/**
 * An error of kafkajs as a ConnectorError: transient if Kafka is not there; its code is Kafka's
 * own name for the error, or kafkajs's.
 */
export function kafkaError(doing: string, error: unknown): ConnectorError {
  if (error instanceof ConnectorError) return error
  let cause = error
  while (cause instanceof Error && WRAPPERS.has(cause.name) && cause.cause instanceof Error) cause = cause.cause
  if (cause instanceof KafkaJSProtocolError) return failed(`KAFKA_${cause.type}`, !FINAL.has(cause.type), OR_NOT_ALLOWED[cause.type])
  const name = cause instanceof Error ? cause.name : 'unknown'
  return failed(name, OUTAGES.has(name), OR_NOT_ALLOWED[name])

  function failed(code: string, transient: boolean, or: string | undefined): ConnectorError {
    return new ConnectorError(code, transient, or === undefined ? doing : `${doing}, ${or}`, cause)
  }
}
