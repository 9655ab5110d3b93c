/**
 * What kafkajs lacks where a cluster has several brokers, of which one may be dead, stand still, or
 * be cut off. Its own answer is a request's timeout of half a minute, after which it asks the same
 * broker again.
 */

interface Connection {
  readonly requestQueue: { readonly inflight: ReadonlyMap<number, { readonly sentAt: number | null }> }
  readonly socket?: { destroy(): void }
  connect(): Promise<unknown>
  disconnect(): Promise<unknown>
  rejectRequests(cause: Error): void
  send(call: { readonly request: unknown; readonly response: object }): Promise<unknown>
}

interface Broker {
  readonly nodeId: number
  readonly connectionPool: {
    readonly host: string
    readonly port: number
    readonly pool: readonly Connection[]
    getConnection(): Promise<Connection>
  }
  lookupRequest(
    apiKey: number,
    definition: unknown,
  ): (options: { readonly topics: readonly string[]; readonly allowAutoTopicCreation: false }) => {
    readonly request: unknown
    readonly response: { decode(payload: Buffer): Promise<{ readonly brokers: readonly { readonly nodeId: number }[] }> }
  }
}

interface Pool {
  readonly brokers: Readonly<Record<string, Broker>>
  readonly metadata: { readonly topicMetadata: readonly { readonly topic: string }[] } | null
  readonly logger: { warn(message: string, fields: object): void }
  findBroker(node: { readonly nodeId: string }): Promise<Broker>
  refreshMetadata(topics: readonly string[]): Promise<unknown>
  disconnect(): Promise<unknown>
  removeBroker(address: { readonly host: string; readonly port: number }): void
}

interface Group {
  readonly groupId: string
  readonly cluster: { findGroupCoordinator(group: { readonly groupId: string }): Promise<object> }
  readonly offsetManager: { coordinator: object } | null
  coordinator: object
  heartbeat(options: { readonly interval: number }): Promise<unknown>
}

/** Parts of kafkajs. */
export interface BrokerParts {
  readonly BrokerPool: { readonly prototype: Pool }
  readonly Connection: { readonly prototype: Connection }
  readonly ConsumerGroup: { readonly prototype: Group }
  readonly ClosedError: new (message: string, address: { readonly host: string; readonly port: number }) => Error
  /** Definition of the metadata request, and its number. */
  readonly metadata: { readonly apiKey: number; readonly definition: unknown }
}

/** A broker that owes an answer for so long may be gone: the others are asked. */
const SILENT_MS = 3_000
const LOOK_MS = 1_000
/** Those that are asked have so long to answer. */
const ANSWER_MS = 3_000

/** Errors of a request whose broker is not there any more. */
const GONE: ReadonlySet<string> = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
])

/** Changes these parts for good. Call it once. */
export function mindBrokersAway(parts: BrokerParts): void {
  shareConnecting(parts)
  leaveSilentBrokers(parts)
  followCoordinator(parts)
}

/**
 * Two requests that come while nothing is connected make two sockets of one connection in kafkajs.
 * The first of them is forgotten, and whatever becomes of it fails the requests of the second.
 */
function shareConnecting({ Connection }: BrokerParts): void {
  const { connect } = Connection.prototype
  const connecting = new WeakMap<Connection, Promise<unknown>>()
  Connection.prototype.connect = function connectOnce() {
    const underWay = connecting.get(this)
    if (underWay !== undefined) return underWay
    const connected = connect.call(this).finally(() => connecting.delete(this))
    connecting.set(this, connected)
    return connected
  }
}

/**
 * Looks each second for brokers that owe an answer. If another broker says that such a one is not
 * of the cluster any more, its requests fail at once, and are tried again where its partitions
 * went. The cluster decides that in `broker.session.timeout.ms`. A slow broker is still of the
 * cluster, and is waited for as before.
 */
function leaveSilentBrokers({ BrokerPool, ClosedError, metadata }: BrokerParts): void {
  /** Those that know brokers, until they are disconnected. */
  const pools = new Set<Pool>()
  const judged = new WeakSet<Broker>()
  let timer: NodeJS.Timeout | undefined

  const { refreshMetadata, disconnect } = BrokerPool.prototype
  BrokerPool.prototype.refreshMetadata = async function refreshWatched(topics) {
    const answer = await refreshMetadata.call(this, topics)
    pools.add(this)
    timer ??= setInterval(look, LOOK_MS).unref()
    return answer
  }
  BrokerPool.prototype.disconnect = function disconnectWatched() {
    pools.delete(this)
    if (pools.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
    return disconnect.call(this)
  }

  function look(): void {
    for (const pool of pools) {
      for (const broker of Object.values(pool.brokers)) {
        if (judged.has(broker) || !isSilent(broker)) continue
        judged.add(broker)
        void judge(pool, broker).finally(() => judged.delete(broker))
      }
    }
  }

  async function judge(pool: Pool, broker: Broker): Promise<void> {
    for (const other of Object.values(pool.brokers)) {
      if (other === broker || isSilent(other)) continue
      const alive = await inTime(brokersBy(pool, other))
      if (alive === undefined) continue
      if (!alive.includes(broker.nodeId) && isSilent(broker)) leave(pool, broker)
      return
    }
  }

  /** The brokers that there are, as one of them knows. */
  async function brokersBy(pool: Pool, { nodeId }: Broker): Promise<readonly number[]> {
    const broker = await pool.findBroker({ nodeId: String(nodeId) })
    const connection = await broker.connectionPool.getConnection()
    // Of no topic would be of all of them.
    const topics = (pool.metadata?.topicMetadata ?? []).slice(0, 1).map(({ topic }) => topic)
    const { request, response } = broker.lookupRequest(metadata.apiKey, metadata.definition)({ topics, allowAutoTopicCreation: false })
    let brokers: readonly { readonly nodeId: number }[] = []
    const decode = async (payload: Buffer): Promise<object> => {
      const answer = await response.decode(payload)
      brokers = answer.brokers
      return answer
    }
    // An error of the topic is no error here.
    await connection.send({ request, response: { decode, parse: async () => undefined } })
    return brokers.map((each) => each.nodeId)
  }

  function leave(pool: Pool, { nodeId, connectionPool }: Broker): void {
    const { host, port } = connectionPool
    pool.logger.warn('A broker that does not answer is not of the cluster any more: it is left', { nodeId, host, port })
    pool.removeBroker({ host, port })
    for (const connection of connectionPool.pool) {
      connection.rejectRequests(new ClosedError(`broker ${nodeId} is not of the cluster any more`, { host, port }))
      connection.disconnect().catch(() => undefined)
      connection.socket?.destroy()
    }
  }
}

function isSilent({ connectionPool }: Broker): boolean {
  const since = Date.now() - SILENT_MS
  return connectionPool.pool.some(({ requestQueue }) =>
    [...requestQueue.inflight.values()].some(({ sentAt }) => sentAt !== null && sentAt < since),
  )
}

/** Undefined if there is no answer in time, or none at all: then somebody else is asked. */
async function inTime<Answer>(asked: Promise<Answer>): Promise<Answer | undefined> {
  let late: NodeJS.Timeout | undefined
  const tooLate = new Promise<undefined>((resolve) => {
    late = setTimeout(() => resolve(undefined), ANSWER_MS)
  })
  try {
    return await Promise.race([asked.catch(() => undefined), tooLate])
  } finally {
    clearTimeout(late)
  }
}

/**
 * kafkajs looks for a group's coordinator only as it joins the group. With one that is gone, each
 * heartbeat fails, and a consumer that tries for as long as it takes begins again after a pause of
 * seconds, batch by batch, until that very broker is back. The one that took over knows the
 * members: nothing is assigned anew.
 */
function followCoordinator({ ConsumerGroup }: BrokerParts): void {
  const { heartbeat } = ConsumerGroup.prototype
  ConsumerGroup.prototype.heartbeat = async function heartbeatOfCoordinator(options) {
    try {
      return await heartbeat.call(this, options)
    } catch (cause) {
      if (cause instanceof Error && GONE.has(cause.name)) await follow(this)
      throw cause
    }
  }

  async function follow(group: Group): Promise<void> {
    try {
      group.coordinator = await group.cluster.findGroupCoordinator({ groupId: group.groupId })
      if (group.offsetManager !== null) group.offsetManager.coordinator = group.coordinator
    } catch {
      // The heartbeat's error goes to the caller; the next heartbeat looks again.
    }
  }
}
