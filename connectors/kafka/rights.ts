import { KAFKAJS, type KafkaAdmin } from './client.ts'
import { kafkaError } from './outage.ts'

/** By Kafka's numbers (kafkajs's enumerations are no constants of its JavaScript). */
const LITERAL = 3
const PREFIXED = 4
const RESOURCES = {
  topic: { type: 2, pattern: LITERAL },
  group: { type: 3, pattern: LITERAL },
  'group-prefix': { type: 3, pattern: PREFIXED },
  cluster: { type: 4, pattern: LITERAL },
} as const
const OPERATIONS = { Read: 3, Write: 4, Create: 5, Delete: 6, Alter: 7, Describe: 8, DescribeConfigs: 10 } as const
const ANY = 1
const ALLOW = 3
/** Kafka's name of its only cluster, as a resource. */
export const CLUSTER = 'kafka-cluster'

export type KafkaOperation = keyof typeof OPERATIONS

/**
 * What a user may do with one topic, group, or the cluster; the name * is each of them. The name of
 * a `group-prefix` is what names of groups begin with.
 */
export interface KafkaRight {
  readonly user: string
  readonly resource: keyof typeof RESOURCES
  readonly name: string
  readonly operation: KafkaOperation
}

/**
 * `unchecked`: this cluster has no authorizer, so everybody may do everything. `not-allowed`: this
 * user may not ask for rights, or not give them.
 */
export type Rights =
  | { readonly tag: 'unchecked' }
  | { readonly tag: 'not-allowed' }
  | { readonly tag: 'lacking'; readonly rights: readonly KafkaRight[] }

/** Those that nobody has given. What was given besides stays. */
export async function lackingRights(admin: KafkaAdmin, wanted: readonly KafkaRight[]): Promise<Rights> {
  return unlessRefused('asking Kafka for rights', async () => {
    const { resources } = await (await admin[KAFKAJS]()).describeAcls({
      resourceType: ANY,
      resourcePatternType: ANY,
      operation: ANY,
      permissionType: ANY,
    })
    const given = new Set(
      resources.flatMap(({ resourceType, resourceName, resourcePatternType, acls }) =>
        acls
          .filter(({ permissionType, host }) => permissionType === ALLOW && host === '*')
          .map(({ principal, operation }) => [principal, resourceType, resourcePatternType, resourceName, operation].join(' ')),
      ),
    )
    const has = ({ user, resource, name, operation }: KafkaRight): boolean => {
      const { type, pattern } = RESOURCES[resource]
      return given.has([`User:${user}`, type, pattern, name, OPERATIONS[operation]].join(' '))
    }
    return { tag: 'lacking', rights: wanted.filter((right) => !has(right)) }
  })
}

/** Gives rights, on any host. What was there already is given once. */
export async function giveRights(admin: KafkaAdmin, rights: readonly KafkaRight[]): Promise<Rights> {
  return unlessRefused('giving rights in Kafka', async () => {
    await (await admin[KAFKAJS]()).createAcls({
      acl: rights.map(({ user, resource, name, operation }) => ({
        principal: `User:${user}`,
        host: '*',
        resourceType: RESOURCES[resource].type,
        resourceName: name,
        resourcePatternType: RESOURCES[resource].pattern,
        operation: OPERATIONS[operation],
        permissionType: ALLOW,
      })),
    })
    return { tag: 'lacking', rights: [] }
  })
}

async function unlessRefused(doing: string, work: () => Promise<Rights>): Promise<Rights> {
  try {
    return await work()
  } catch (cause) {
    const error = kafkaError(doing, cause)
    if (error.code === 'KAFKA_SECURITY_DISABLED') return { tag: 'unchecked' }
    if (error.code === 'KAFKA_CLUSTER_AUTHORIZATION_FAILED') return { tag: 'not-allowed' }
    throw error
  }
}
