import { Agent } from 'node:https'
import { createRequire } from 'node:module'
import { connect } from 'node:tls'
import { shownAddress } from '../../processors/address.ts'
import { splitFiles } from '../address-files.ts'
import { ConnectorError } from '../contract.ts'
import { readTls, type TlsFiles } from '../tls-files.ts'

const require = createRequire(import.meta.url)

interface Rest {
  handleRequest(url: string, method: 'GET' | 'POST' | 'PUT', body?: object): Promise<{ readonly data: unknown }>
}

// The root of the package loads in 1.07 s (it brings cloud key services), this module in 0.15 s.
// Its client, one level up, caches for ever, has no way to ask for deleted subjects, and does not
// escape their names.
const { RestService } = require('@confluentinc/schemaregistry/dist/rest-service') as {
  RestService: new (urls: string[], forward: boolean, axios: object, basic: undefined, bearer: undefined, retries: number) => Rest
}

/** A schema as the registry holds it. */
export interface SchemaVersion {
  readonly id: number
  readonly version: number
  readonly schema: string
  /** AVRO, PROTOBUF or JSON. */
  readonly type: string
  /** Whether it names types of other subjects. */
  readonly references: boolean
}

/**
 * Which subjects and versions an answer covers. A registry keeps deleted ones until they are
 * deleted for good.
 */
export type Which = 'live' | 'deleted-too'

/** The registry, by Confluent's API. Every failure is a ConnectorError; an outage is transient. */
export interface SchemaRegistry {
  /**
   * Registers a schema, or finds it, and returns its ID. Not transient if it is incompatible or
   * no schema.
   */
  register(subject: string, schema: string): Promise<number>
  /** From now on the registry refuses versions that cannot read what earlier ones wrote. */
  requireBackward(subject: string): Promise<void>
  /** Whether the subject's compatibility rule admits the schema; true for a new subject. */
  compatible(subject: string, schema: string): Promise<boolean>
  subjects(prefix: string, which?: Which): Promise<readonly string[]>
  /** Numbers of a subject's versions, oldest first; none for a subject that is not there. */
  versionNumbers(subject: string, which?: Which): Promise<readonly number[]>
  /** One version, or the newest that is live; undefined if it is not there. */
  version(subject: string, version: number | 'latest', which?: Which): Promise<SchemaVersion | undefined>
  /** The text of a schema, whatever its subject; undefined if there is none. */
  schemaOf(id: number): Promise<Pick<SchemaVersion, 'schema' | 'type'> | undefined>
}

/**
 * Longest wait for an answer: a registry that takes a request and does not answer must not hold up
 * frames that wait for a schema.
 */
const ANSWER_TIMEOUT_MS = 10_000

/** @param url as in http://127.0.0.1:8081/apis/ccompat/v7, or https://user:password@…?ca_file=… */
export function createRegistry(url: string): SchemaRegistry {
  const { address, files } = splitFiles(url)
  const secured = files === undefined ? {} : { httpsAgent: agentWith(files) }
  const rest = new RestService([address], false, { timeout: ANSWER_TIMEOUT_MS, ...secured }, undefined, undefined, 0)
  const shown = shownAddress(address)

  async function ask<Answer>(doing: string, method: 'GET' | 'POST' | 'PUT', path: string, body?: object): Promise<Answer> {
    try {
      return (await rest.handleRequest(path, method, body)).data as Answer
    } catch (cause) {
      const status = (cause as { status?: unknown }).status
      const refused = typeof status === 'number' && status >= 400 && status < 500 && status !== 408 && status !== 429
      const code = typeof status === 'number' ? `REGISTRY_${status}` : UNREACHABLE
      throw new ConnectorError(code, !refused, `${doing} at ${shown}`, cause)
    }
  }

  async function known<Answer>(doing: string, path: string): Promise<Answer | undefined> {
    try {
      return await ask<Answer>(doing, 'GET', path)
    } catch (cause) {
      if (cause instanceof ConnectorError && cause.code === 'REGISTRY_404') return undefined
      throw cause
    }
  }

  const subjects = async (prefix: string, which: Which = 'live'): Promise<readonly string[]> => {
    // Apicurio ignores the prefix and answers with all subjects.
    const all = await ask<unknown>('listing subjects', 'GET', `/subjects?subjectPrefix=${escaped(prefix)}&deleted=${deleted(which)}`)
    if (!Array.isArray(all)) throw new ConnectorError('REGISTRY_ANSWER', true, `listing subjects at ${shown}: expected an array of names`)
    return all.filter((subject): subject is string => typeof subject === 'string' && subject.startsWith(prefix))
  }

  return {
    async register(subject, schema) {
      const path = `/subjects/${escaped(subject)}/versions?normalize=false`
      return (await ask<{ id: number }>(`registering a schema as ${subject}`, 'POST', path, { schema, schemaType: 'AVRO' })).id
    },
    async requireBackward(subject) {
      await ask(`setting the compatibility of ${subject}`, 'PUT', `/config/${escaped(subject)}`, { compatibility: 'BACKWARD' })
    },
    async compatible(subject, schema) {
      if (!(await subjects(subject)).includes(subject)) return true
      const path = `/compatibility/subjects/${escaped(subject)}/versions/latest`
      const answer = await ask<{ is_compatible: boolean }>(`checking a schema against ${subject}`, 'POST', path, {
        schema,
        schemaType: 'AVRO',
      })
      return answer.is_compatible
    },
    subjects,
    async versionNumbers(subject, which = 'live') {
      const path = `/subjects/${escaped(subject)}/versions?deleted=${deleted(which)}`
      return [...((await known<number[]>(`reading the versions of ${subject}`, path)) ?? [])].sort((a, b) => a - b)
    },
    async version(subject, version, which = 'live') {
      const path = `/subjects/${escaped(subject)}/versions/${version}?deleted=${deleted(which)}`
      const found = await known<Answered>(`reading version ${version} of ${subject}`, path)
      if (found === undefined) return undefined
      const { id, version: number, schema, schemaType = 'AVRO', references = [] } = found
      return { id, version: number, schema, type: schemaType, references: references.length > 0 }
    },
    async schemaOf(id) {
      const found = await known<Answered>(`reading schema ${id}`, `/schemas/ids/${id}`)
      return found === undefined ? undefined : { schema: found.schema, type: found.schemaType ?? 'AVRO' }
    },
  }
}

/** Reads its files at each connection. */
function agentWith(files: TlsFiles): Agent {
  const agent = new Agent()
  Object.assign(agent, {
    createConnection: (options: object) => connect({ ...options, ...readTls(files) }),
  })
  return agent
}

/** What the registry answers for a version. */
interface Answered {
  readonly id: number
  readonly version: number
  readonly schema: string
  readonly schemaType?: string
  readonly references?: readonly unknown[]
}

/** Code of a failure without any answer. */
export const UNREACHABLE = 'REGISTRY_UNREACHABLE'

function deleted(which: Which): boolean {
  return which === 'deleted-too'
}

function escaped(name: string): string {
  return encodeURIComponent(name)
}
