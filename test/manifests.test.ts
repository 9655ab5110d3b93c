import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { parse, parseAllDocuments } from 'yaml'
import { WATCH } from '../ops/watch/declaration.ts'
import { prometheusTargets } from '../ops/watch/targets.ts'
import { projectRoot } from '../schemas/files.ts'
import { loadConfig } from '../services/config.ts'
import { declaredServices, shippedServices } from '../services/declared.ts'
import { ENVIRONMENT_NAMES } from '../services/environment.ts'
import { KAFKA_USERS, kafkaUserOf } from '../services/kafka-users.ts'
import { SECRETS } from '../services/secret-files.ts'

const text = (path: string): string => readFileSync(join(projectRoot, path), 'utf8')
const KNOWN = new Set<string>([...ENVIRONMENT_NAMES, ...SECRETS.map((name) => `${name}_FILE`)])

/** A container of compose.yaml, with its anchors resolved. */
interface Container {
  readonly image: string
  readonly command?: readonly string[]
  readonly user?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly mem_limit?: string
  readonly pids_limit?: number
  readonly privileged?: boolean
  readonly restart?: string
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean }
}

const COMPOSE = 'deploy/compose/compose.yaml'
const compose = parse(text(COMPOSE), { merge: true, maxAliasCount: -1 }) as {
  readonly services: Readonly<Record<string, Container>>
  readonly volumes: Readonly<Record<string, unknown>>
}
const containers = Object.entries(compose.services)
const ours = containers.filter(([, { image }]) => image.startsWith('millrace:'))

/** Services that are run by these command lines, in their order. */
function served(commands: readonly (readonly string[])[]): readonly string[] {
  return commands.filter(([verb]) => verb === 'run').flatMap(([, ...names]) => names)
}

describe('deploy/compose', () => {
  it('has every service of the line once, watch and the page, and migrates first', async () => {
    const commands = ours.map(([, { command = [] }]) => command)
    const shipped = (await shippedServices()).map(({ name }) => name)
    expect(served(commands)).to.have.members(shipped)
    for (const command of [['migrate'], ['schemas', 'register'], ['watch']]) expect(commands).to.deep.include(command)
    for (const [name, { command = [] }] of ours) if (command[0] === 'run') expect(command, name).to.deep.equal(['run', name])
  })

  it('configures every service that it runs, with names by which they find each other', async () => {
    const config = loadConfig({}, join(projectRoot, 'deploy/compose/millrace.yaml'))
    const services = await declaredServices(config)
    expect(services.map(({ name }) => name as string)).to.have.members((await shippedServices()).map(({ name }) => name))
    expect(JSON.parse(text('deploy/compose/prometheus/targets.json'))).to.deep.equal(prometheusTargets(config, [...services, WATCH]))
    loadConfig({}, join(projectRoot, 'deploy/compose/broker.yaml'))
  })

  it('sets no variable that Millrace does not know, and no secret in one', () => {
    for (const [name, { environment = {} }] of ours)
      for (const [variable, value] of Object.entries(environment)) {
        expect(KNOWN, `${name}: ${variable}`).to.include(variable)
        expect(value, `${name}: ${variable}`).not.to.match(/:\/\/[^/]*@/)
        if ((SECRETS as readonly string[]).includes(variable)) expect(value, `${name}: ${variable}`).to.match(/^https?:/)
      }
    for (const [name, { environment = {} }] of containers)
      for (const variable of Object.keys(environment)) if (/PASSWORD|TOKEN|SECRET/.test(variable)) expect(variable, name).to.match(/_FILE$/)
  })

  it('names the version of every image, those of the local stack where it has the same', () => {
    for (const [name, { image }] of containers)
      expect(image, name).to.match(/^[a-z/-]+:(\$\{MILLRACE_VERSION:-)?v?\d+\.\d+\.\d+[-a-z0-9]*\}?$/)
    const maven = text('deploy/local/pom.xml')
    const version = (name: string): string | undefined => new RegExp(`<${name}.version>(.*)</${name}.version>`).exec(maven)?.[1]
    expect(compose.services.kafka?.image).to.equal(`apache/kafka:${version('kafka')}`)
    expect(compose.services.registry?.image).to.equal(`apicurio/apicurio-registry:${version('registry')}`)
    expect(text(COMPOSE)).to.include(`\${MILLRACE_VERSION:-${JSON.parse(text('package.json')).version}}`)
    const node = text('deploy/debian/node-version').trim()
    expect(text('deploy/image/Containerfile')).to.match(new RegExp(`^ARG BUILD_BASE=docker.io/library/node:${node}-`, 'm'))
  })

  it('lets no container do what it does not need, and publishes on the loopback only', () => {
    for (const [name, container] of containers) {
      const { read_only, cap_drop, security_opt, mem_limit, pids_limit } = container
      expect({ read_only, cap_drop, security_opt }, name).to.deep.equal({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      })
      expect([mem_limit, pids_limit], name).not.to.include(undefined)
      expect(container, name).not.to.have.property('privileged')
      // The user of our image is in its Containerfile.
      if (!container.image.startsWith('millrace:') && name !== 'secrets') expect(container.user, name).to.match(/^[1-9]\d*:\d+$/)
      if (name !== 'secrets') expect(container, name).not.to.have.property('cap_add')
      for (const port of container.ports ?? []) expect(port, name).to.match(/^127\.0\.0\.1:/)
    }
    expect(text('deploy/image/Containerfile')).to.match(/^USER [1-9]\d*:[1-9]\d*$/m)
  })

  it('says of each container that goes on whether it is healthy', () => {
    for (const [name, { image, restart, healthcheck }] of containers) {
      if (restart === 'no' || name === 'broker-files') continue
      expect(healthcheck?.disable, name).not.to.equal(true)
      if (!image.startsWith('millrace:')) expect(healthcheck?.test, name).not.to.equal(undefined)
    }
  })

  it('mounts files that are there, and volumes that are declared', () => {
    for (const [name, { volumes = [] }] of containers)
      for (const volume of volumes) {
        const [source = ''] = volume.split(':')
        if (source.startsWith('.')) expect(existsSync(join(projectRoot, dirname(COMPOSE), source)), `${name}: ${volume}`).to.equal(true)
        else expect(compose.volumes, `${name}: ${volume}`).to.have.property(source)
      }
  })
})

interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly spec: {
    readonly template?: { readonly spec: { readonly containers: readonly { readonly name: string; readonly args?: readonly string[] }[] } }
    readonly scaleTargetRef?: { readonly name: string }
  }
}

const KUBERNETES = 'deploy/kubernetes'
const resources = (path: string): readonly Resource[] =>
  parseAllDocuments(text(`${KUBERNETES}/${path}`), { merge: true }).map((document) => document.toJS() as Resource)
const namesOf = (kind: string, all: readonly Resource[]): readonly string[] =>
  all.filter((each) => each.kind === kind).map(({ metadata }) => metadata.name)
const PATCHES = ['all', 'migrate', 'bridge', 'processors', 'continuity', 'store', 'watch', 'operator', 'owner'] as const
const patches = PATCHES.map((name) => text(`${KUBERNETES}/base/line/patches/${name}.yaml`)).join('\n')

describe('deploy/kubernetes', () => {
  it('has a Deployment and a name for every service of the line, as the user that it is in Kafka', async () => {
    const all = resources('base/line/services.yaml')
    const shipped = await shippedServices()
    expect(namesOf('Deployment', all)).to.have.members([...shipped.map(({ name }) => name), WATCH.name])
    expect(namesOf('Service', all)).to.have.members(namesOf('Deployment', all))
    for (const { kind, metadata, spec } of all) {
      if (kind !== 'Deployment') continue
      const service = [...shipped, WATCH].find(({ name }) => name === metadata.name)
      expect(spec.template?.spec.containers[0]?.args, metadata.name).to.deep.equal(
        metadata.name === WATCH.name ? ['watch'] : ['run', metadata.name],
      )
      expect(metadata.labels?.['millrace/user'], metadata.name).to.equal(kafkaUserOf(service?.kind ?? 'watch'))
      const niceness = service === undefined || !('niceness' in service) ? 0 : (service.niceness ?? 0)
      expect(metadata.labels?.['millrace/weight'], metadata.name).to.equal(niceness === 0 ? 'line' : niceness < 10 ? 'process' : 'late')
    }
  })

  it('scales all that there may be several of, and nothing else', async () => {
    const scaled = resources('autoscaling/scaled.yaml')
    const several = (await shippedServices()).filter(({ kind }) => kind === 'processor' || kind === 'process' || kind === 'store')
    expect(scaled.map(({ spec }) => spec.scaleTargetRef?.name)).to.have.members(several.map(({ name }) => name))
    for (const { metadata } of scaled) expect(text(`${KUBERNETES}/autoscaling/scaled.yaml`)).to.include(`{group="${metadata.name}"}`)
    expect(/name: "(.*)" \}/.exec(text(`${KUBERNETES}/autoscaling/kustomization.yaml`))?.[1]?.split('|')).to.have.members(
      several.map(({ name }) => name),
    )
    const { topics } = loadConfig({}, join(projectRoot, KUBERNETES, 'base/line/millrace.yaml'))
    expect(text(`${KUBERNETES}/autoscaling/all.yaml`)).to.include(`maxReplicaCount: ${topics.partitions}\n`)
  })

  it('configures every service that it runs, and leaves rights in Kafka to Strimzi', async () => {
    const config = loadConfig({}, join(projectRoot, KUBERNETES, 'base/line/millrace.yaml'))
    expect((await declaredServices(config)).map(({ name }) => name)).to.have.members((await shippedServices()).map(({ name }) => name))
    const { kafka, metrics } = config
    expect([kafka.users, metrics.reached_as, metrics.ports]).to.deep.equal(['none', '{service}', 9464])
    loadConfig({}, join(projectRoot, KUBERNETES, 'base/broker/broker.yaml'))
  })

  it('sets no variable that Millrace does not know', () => {
    const set = [...`${patches}${text(`${KUBERNETES}/base/line/ops.yaml`)}`.matchAll(/\{ name: ([A-Z][A-Z0-9_]+), value/g)].map(
      ([, name]) => name,
    )
    expect(set).to.include('KAFKA_PASSWORD_FILE')
    for (const name of set) expect(KNOWN).to.include(name)
  })

  it('names Secrets that somebody makes: its own script, or the operators', () => {
    const printed = execFileSync(join(projectRoot, KUBERNETES, 'secrets'), ['--print'], { encoding: 'utf8' })
    const made = [...printed.matchAll(/^metadata: \{ name: ([a-z-]+),/gm)].map(([, name]) => name as string)
    const operators = ['kafka-cluster-ca-cert', 'telemetry-ca', 'app-ca', ...namesOf('KafkaUser', resources('base/kafka/users.yaml'))]
    const files = [patches, ...['base/broker/mosquitto.yaml', 'base/postgres/clusters.yaml'].map((path) => text(`${KUBERNETES}/${path}`))]
    const named = files.flatMap((file) =>
      [...file.matchAll(/(?:[sS]ecret: \{ name|secretName): ([a-z-]+)/g)].map(([, name]) => name as string),
    )
    expect(new Set(named)).to.include('telemetry-store').and.include('app-broker')
    expect([...made, ...operators]).to.include.members([...new Set(named)])
    expect(named).to.include.members(made.filter((name) => name !== 'ops-token'))
  })

  it('has the versions of compose.yaml', () => {
    expect(text(`${KUBERNETES}/base/broker/mosquitto.yaml`)).to.include(` ${compose.services.mosquitto?.image}\n`)
    expect(text(`${KUBERNETES}/base/registry/registry.yaml`)).to.include(` ${compose.services.registry?.image}\n`)
    expect(text(`${KUBERNETES}/base/kustomization.yaml`)).to.include(`newTag: ${JSON.parse(text('package.json')).version} `)
  })

  it('gives a user of Kafka to everybody, and lets the owner alone be a superuser', () => {
    const users = namesOf('KafkaUser', resources('base/kafka/users.yaml'))
    expect(users).to.have.members([...KAFKA_USERS, 'operator'].map((user) => `millrace-${user}`))
    expect(text(`${KUBERNETES}/base/kafka/kafka.yaml`)).to.include('superUsers: [millrace-owner]')
    for (const user of [...KAFKA_USERS, 'operator']) expect(patches, user).to.include(`{ name: KAFKA_USERNAME, value: millrace-${user} }`)
  })
})
