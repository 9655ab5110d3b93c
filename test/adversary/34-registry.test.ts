import { expect } from 'chai'
import { askRegistry, type RegistryQuestion } from '../pipeline/stack-clients.ts'

const SUBJECT = `stranger-${Date.now().toString(36)}`
const JSON_TYPE = { 'Content-Type': 'application/vnd.schemaregistry.v1+json' }

/** Status of the answer; 0 if the connection was closed instead. */
async function ask(path: string, question: RegistryQuestion): Promise<number> {
  const response = await askRegistry(path, { method: 'POST', headers: JSON_TYPE, ...question }).catch((cause: unknown) => {
    if (cause instanceof TypeError) return undefined
    throw cause
  })
  await response?.arrayBuffer()
  return response?.status ?? 0
}

const register = (schema: string): Promise<number> => ask(`/subjects/${SUBJECT}/versions`, { body: JSON.stringify({ schema }) })

describe('a stranger at the registry', function () {
  this.timeout(60_000)

  it('registers nothing that is no Avro: cut off, of a type that there is not, 4,000 levels deep', async () => {
    const deep = `${'{"type":"array","items":'.repeat(4_000)}"int"${'}'.repeat(4_000)}`
    for (const schema of ['{"type":"recor', '{"type":"vector"}', deep]) expect(await register(schema), schema.slice(0, 60)).to.equal(422)
  })

  it('does not end it with a schema of 20 MB, which took all of its memory', async () => {
    expect(await register('x'.repeat(20_000_000))).to.be.oneOf([0, 413])
    expect(await ask('/subjects', { method: 'GET' })).to.equal(200)
  })

  it('is no page in somebody’s browser: what a form can send is refused, and so is the question whether it may send more', async () => {
    const form = { 'Content-Type': 'text/plain', Origin: 'http://elsewhere.example' }
    expect(await ask(`/subjects/${SUBJECT}/versions`, { headers: form, body: '{"schema":"\\"string\\""}' })).to.be.oneOf([401, 403, 415])
    const preflight = { Origin: 'http://elsewhere.example', 'Access-Control-Request-Method': 'DELETE' }
    expect(await ask(`/subjects/${SUBJECT}`, { method: 'OPTIONS', headers: preflight })).to.be.oneOf([401, 403])
  })
})
