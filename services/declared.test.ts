import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { isOnTheWay } from '../processors/continuity/declaration.ts'
import { type DeclaredService, deadTopics } from '../processors/declaration.ts'
import { loadConfig } from './config.ts'
import { DEFAULT_PROCESSORS } from './config-shape.ts'
import { declaredService, declaredServices, shippedServices } from './declared.ts'
import { sharedTopics, wantedTopics } from './kafka.ts'
import { registrations } from './registered.ts'

const config = loadConfig({}, undefined)
const schema = { type: 'record', name: 'FrostAlert', namespace: 'orchard', fields: [{ name: 'since', type: 'long' }] }
/** As it is built: JavaScript that needs nothing of ours. */
const FROST_ALERT = `export const processor = {
  from: { topic: 'telemetry.readings', decode: () => undefined },
  to: { alerts: { topic: 'orchard.frost-alerts', schema: { path: 'frost-alert.avsc', json: ${JSON.stringify(schema)} }, encoder: () => () => Buffer.alloc(0) } },
  needs: [],
  reasons: { 'too-cold': { means: 'It is.', whatToDo: 'Light a fire.' } },
  handle: () => [],
  metricsPort: 9470,
}
`

describe('declared services', () => {
  let folder: string
  let alert: string
  let services: readonly DeclaredService[]

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-declared-'))
    alert = join(folder, 'frost-alert')
    mkdirSync(alert)
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(alert, 'processor.js'), FROST_ALERT)
    services = await declaredServices({ processors: [...DEFAULT_PROCESSORS, alert] })
  })

  after(() => {
    rmSync(folder, { recursive: true })
  })

  it('are the bridge, the processors in the order of the configuration, and the store', async () => {
    expect(services.map(({ name }) => name)).to.deep.equal([
      'bridge',
      'standardise',
      'translate',
      'devices',
      'continuity',
      'frost-alert',
      'store',
    ])
    expect((await declaredServices({ processors: ['continuity', 'standardise'] })).map(({ name }) => name)).to.deep.equal([
      'bridge',
      'continuity',
      'standardise',
      'store',
    ])
  })

  it('have a port each, the same in whatever order they are listed', () => {
    expect(services.map(({ metricsPort }) => metricsPort)).to.deep.equal([9464, 9466, 9469, 9467, 9468, 9470, 9465])
  })

  it('give the topics: what they write and read, and dead letters of those that have any', () => {
    expect([...sharedTopics(services)].sort()).to.deep.equal([
      'bridge.dead',
      'device.status',
      'devices.dead',
      'frost-alert.dead',
      'orchard.frost-alerts',
      'standardise.dead',
      'store.dead',
      'telemetry.frames',
      'telemetry.raw',
      'telemetry.readings',
      'translate.dead',
    ])
  })

  it('give the configuration of topics: the clock is stamped by Kafka, sessions are compacted, the rest is kept by device', () => {
    const wanted = new Map(wantedTopics(config, services).map((topic) => [topic.topic as string, topic]))
    expect(wanted.get('millrace.clock')).to.deep.include({ partitions: 1, replicationFactor: 'auto' })
    expect(wanted.get('millrace.clock')?.config).to.include({ 'message.timestamp.type': 'LogAppendTime', 'retention.ms': '3600000' })
    expect(wanted.get('bridge.session')?.config).to.include({ 'cleanup.policy': 'compact' })
    for (const topic of ['orchard.frost-alerts', 'frost-alert.dead', 'telemetry.frames'])
      expect(wanted.get(topic), topic).to.deep.include({
        partitions: 6,
        config: { 'retention.ms': '604800000', 'max.message.bytes': '2228224', 'message.timestamp.type': 'CreateTime' },
      })
  })

  it('give the subjects, each once: also of a schema that a processor brings along', () => {
    const subjects = new Map(registrations(services).map((registration) => [registration.subject, registration]))
    expect(subjects.size).to.equal(registrations(services).length)
    expect(subjects.get('orchard.frost-alerts-value')).to.deep.equal({
      subject: 'orchard.frost-alerts-value',
      path: 'frost-alert.avsc',
      schema: JSON.stringify(schema),
    })
    expect(subjects.get('frost-alert.dead-value')?.path).to.equal('schemas/dead-letter.avsc')
    for (const topic of [
      'telemetry.readings',
      'device.status',
      'bridge.dead',
      'standardise.dead',
      'translate.dead',
      'devices.dead',
      'store.dead',
    ])
      expect(subjects.has(`${topic}-value`), topic).to.equal(true)
  })

  it('give continuity what is on the way of frames to rows, and not what others made of them', async () => {
    const reads = ['telemetry.readings', 'bridge.dead', 'standardise.dead', 'store.dead']
    expect(services.find(({ kind }) => kind === 'continuity')?.reads).to.deep.equal(reads)
    expect((await declaredService({ processors: [...DEFAULT_PROCESSORS, alert] }, 'continuity')).reads).to.deep.equal(reads)
    expect(deadTopics(services.filter(isOnTheWay))).to.deep.equal(reads.slice(1))
  })

  it('are found by name: of the configuration, of processors/, or the bridge and the store', async () => {
    const configured = { processors: ['standardise', alert] }
    for (const [name, kind] of [
      ['bridge', 'bridge'],
      ['store', 'store'],
      ['frost-alert', 'processor'],
      ['devices', 'process'],
      ['continuity', 'continuity'],
      [alert, 'processor'],
    ] as const)
      expect((await declaredService(configured, name)).kind, name).to.equal(kind)
  })

  it('are all documented: those that the repository has say what their reasons mean', async () => {
    const shipped = await shippedServices()
    expect(shipped.map(({ name }) => name)).to.include.members(['bridge', 'standardise', 'translate', 'devices', 'continuity', 'store'])
  })
})
