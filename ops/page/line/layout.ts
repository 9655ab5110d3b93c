import type { DeclaredService } from '../../../processors/declaration.ts'
import type { Link } from './messages.ts'

/** What the picture of the line is made of. */
export type LayoutService = Pick<DeclaredService, 'name' | 'kind' | 'reads' | 'offsets'> & {
  readonly writes: readonly Pick<DeclaredService['writes'][number], 'topic'>[]
}

export interface Layout {
  /** By name of the hop. */
  readonly columns: ReadonlyMap<string, number>
  readonly links: readonly Link[]
}

export const BROKER = 'MQTT broker'
export const DATABASES = { telemetry: 'telemetry database', app: 'app database' } as const

/**
 * Services from left to right, each to the right of all that it reads from, and what goes between
 * them. Topics that no service here writes have no link: dead letters, for one.
 */
export function layoutOf(services: readonly LayoutService[]): Layout {
  const links: Link[] = services.flatMap(({ kind, name }) => (kind === 'bridge' ? [{ from: BROKER, to: name, topic: null }] : []))
  for (const reader of services)
    for (const topic of reader.reads)
      for (const writer of services)
        if (writer !== reader && writer.writes.some((each) => each.topic === topic))
          links.push({ from: writer.name, to: reader.name, topic })
  const columns = new Map<string, number>([[BROKER, 0], ...services.map(({ name }) => [name, 1] as const)])
  // As often as there are services, so that a circle ends.
  for (let round = 0; round < services.length; round++)
    for (const { from, to } of links)
      columns.set(to, Math.min(services.length, Math.max(columns.get(to) ?? 1, (columns.get(from) ?? 0) + 1)))
  const sinks = services.filter(({ kind, offsets }) => kind !== 'bridge' && offsets !== 'kafka')
  // What ends in a database stands in one column, before the databases.
  const last = Math.max(2, ...columns.values())
  for (const { name } of sinks) columns.set(name, last)
  for (const { name, offsets } of sinks) {
    if (offsets === 'kafka') continue
    columns.set(DATABASES[offsets], last + 1)
    links.push({ from: name, to: DATABASES[offsets], topic: null })
  }
  return { columns, links }
}
