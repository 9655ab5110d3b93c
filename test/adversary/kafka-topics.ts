import type { Admin } from 'kafkajs'
import { KAFKAJS, openAdmin } from '../../connectors/kafka/client.ts'
import { ensureTopics } from '../../connectors/kafka/topics.ts'
import type { Topic } from '../../processors/contract.ts'
import { loadConfig } from '../../services/config.ts'
import { declaredServices } from '../../services/declared.ts'
import { sharedTopics } from '../../services/kafka.ts'
import { millrace, until } from '../pipeline/service.ts'
import { testKafka } from '../pipeline/stack-clients.ts'

/** Asks Kafka as an operator does. */
export async function withAdmin<Result>(work: (admin: Admin) => Promise<Result>): Promise<Result> {
  const admin = testKafka('test-admin')[KAFKAJS].admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

/** Creates a topic, of one partition unless told otherwise. */
export async function createTopic(topic: Topic, partitions = 1): Promise<void> {
  await using admin = openAdmin(testKafka('test-admin'))
  await ensureTopics(admin, [{ topic, partitions, replicationFactor: 1, minInsyncReplicas: 1, config: {} }])
}

/** Deletes topics; resolves when they are gone: until then Kafka may say that they exist. */
export async function deleteTopics(...topics: readonly Topic[]): Promise<void> {
  await withAdmin(async (admin) => {
    await admin.deleteTopics({ topics: [...topics] })
    await until(`${topics.join(', ')} are gone`, async () => !(await admin.listTopics()).some((topic) => topics.includes(topic as Topic)))
  })
}

/** Deletes a topic of the line and has it made again, as `millrace migrate` makes it. */
export async function recreateTopic(topic: Topic): Promise<void> {
  await deleteTopics(topic)
  await millrace('migrate')
}

/**
 * Makes all topics of the line anew, with as many partitions as the configuration says. Nobody must
 * run.
 */
export async function recreateTopics(): Promise<void> {
  await deleteTopics(...sharedTopics(await declaredServices(loadConfig({}, undefined))))
  await millrace('migrate')
}
