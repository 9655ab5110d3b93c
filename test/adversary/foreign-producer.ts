/**
 * A producer that is none of ours, as a program: kafkajs as it is, which knows transactions. Takes
 * a list of `ForeignTransaction` as JSON on standard input, and makes them one after another.
 */
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import type { ForeignTransaction } from './foreign-transactions.ts'

let input = ''
for await (const chunk of process.stdin) input += String(chunk)
const kafka = new Kafka({ brokers: (process.env.KAFKA_BROKERS ?? '').split(','), clientId: 'foreign', logLevel: logLevel.NOTHING })
const producer = kafka.producer({
  transactionalId: `foreign-${process.hrtime.bigint()}`,
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: Partitioners.DefaultPartitioner,
})
await producer.connect()
for (const { topic, records, end } of JSON.parse(input) as readonly ForeignTransaction[]) {
  const transaction = await producer.transaction()
  await transaction.send({ topic, messages: records.map(({ key, value }) => ({ key, value: Buffer.from(value, 'base64') })) })
  if (end === 'commit') await transaction.commit()
  else await transaction.abort()
}
await producer.disconnect()
