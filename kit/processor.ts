/**
 * The door `millrace/processor`: what a processor or business process in a package of its own
 * imports. What is exported here is what Millrace promises to such packages; everything else may
 * change. It loads no library for Kafka, MQTT or PostgreSQL: a processor needs none.
 */
export { avroOutput, avroSource } from '../processors/avro.ts'
export {
  type Assignment,
  type ConsumerName,
  type DeviceId,
  defineProcessor,
  drop,
  emit,
  type GivingSource,
  type KafkaRecord,
  type LendingSource,
  type LookupName,
  type Lookups,
  type LookupsWith,
  type Outcome,
  type Output,
  type Processor,
  type ProcessorDeclaration,
  parseDeviceId,
  parseSubDevice,
  type ReasonDoc,
  reject,
  type Source,
  type SubDevice,
  type Topic,
} from '../processors/contract.ts'
export { type DeviceStatus, deviceStatus } from '../processors/devices/status.ts'
export { type LookupTable, type RowOf, type TableRows, table, tableRows } from '../processors/lookup-table.ts'
export {
  type BusinessProcess,
  defineProcess,
  type ProcessDeclaration,
  type Rejected,
  type Transaction,
} from '../processors/process.ts'
export { readingFrames, readings, topics } from '../processors/topics.ts'
export type { AvroSchema } from '../schemas/avro-schema.ts'
export { MalformedError } from '../schemas/frame-reader.ts'
export { quantities, type Reading } from '../schemas/generated/readings.ts'
export type { ReadingsReader } from '../schemas/readings-reader.ts'
export type { ReadingsColumns } from '../schemas/readings-writer.ts'
