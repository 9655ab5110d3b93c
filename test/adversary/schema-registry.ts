import { createRegistry } from '../../connectors/registry/registry.ts'
import { address, askRegistry } from '../pipeline/stack-clients.ts'

/** What somebody with the registry's address can do to it. */
export interface SharedRegistry {
  /** Registers an Avro schema; its ID. */
  register(subject: string, schema: string): Promise<number>
  registerProtobuf(subject: string): Promise<void>
  /**
   * Deletes a subject, or one version; the registry keeps what was deleted, and shows it to who
   * asks for that.
   */
  delete(subject: string, version?: number): Promise<void>
}

const PROTOBUF = 'syntax = "proto3"; message Order { string id = 1; }'

export function sharedRegistry(): SharedRegistry {
  const { register } = createRegistry(address('REGISTRY_URL'))

  async function ask(method: 'POST' | 'DELETE', path: string, body?: object): Promise<void> {
    const response = await askRegistry(path, {
      method,
      headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  }

  return {
    register,
    registerProtobuf: (subject) => ask('POST', `/subjects/${subject}/versions`, { schemaType: 'PROTOBUF', schema: PROTOBUF }),
    delete: (subject, version) => ask('DELETE', `/subjects/${subject}${version === undefined ? '' : `/versions/${version}`}`),
  }
}
