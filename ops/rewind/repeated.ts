import { type DeclaredService, deadTopics } from '../../processors/declaration.ts'

/** What happens again if a service reads records again, for whoever is about to make it do so. */
export function repeated(service: DeclaredService): readonly string[] {
  switch (service.kind) {
    case 'bridge':
      return []
    case 'store':
      return [
        'Readings are stored again: the same ones are repeats, rows that were deleted since come back, and rows that were changed since are conflicts (store.conflicts).',
        'Readings of archived days become late rows, and roll-ups count them again (docs/archive.md). Dead letters are written again.',
      ]
    case 'continuity':
      return ['Frames are noted again, which changes nothing but the counts of those without a number.']
    case 'processor': {
      const topics = [...service.writes.map(({ topic }) => topic), ...deadTopics([service])]
      return [`Its outputs are written again, to ${topics.join(', ')}: whoever reads there gets them twice.`]
    }
    case 'process': {
      const sent =
        service.writes.length === 0 ? '' : ` What it emits is sent again, to ${service.writes.map(({ topic }) => topic).join(', ')}.`
      return [`It handles the records again: what it has in the database already stays.${sent} Dead letters are written again.`]
    }
  }
}
