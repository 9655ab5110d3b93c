/** @import { ArchivedDayState, DatabaseDisk, PartitionState } from '../../storage/messages.ts' */
/** @import { StorageState } from '../../storage/messages.ts' */
/** @import { Page } from '../page.js' */
import { element, setAttribute, setText } from '../dom.js'
import { bytes, count } from '../format.js'
import { table } from '../table.js'

/**
 * Partitions with what is planned for each, rows outside them, the archive, and disk.
 * @param {HTMLElement} place
 * @param {Page} page
 */
export function mount(place, page) {
  const strays = element('p')
  const ahead = element('p', { class: 'warn' })
  const databases = table('Databases', databaseColumns, ({ name }) => name)
  const partitions = table('Partitions of readings, the newest first', partitionColumns, ({ name }) => name)
  const archived = table('Days in the archive, the newest first', archivedColumns, ({ day }) => day)
  place.append(strays, ahead, databases.element, partitions.element, archived.element)
  page.watch('storage', (/** @type {StorageState} */ state) => {
    setText(strays, strayText(state))
    setAttribute(strays, 'class', state.strayRows === null ? 'quiet' : state.strayRows > 0 ? 'bad' : 'good')
    setText(ahead, state.toBeMade.length === 0 ? '' : `The store will make partitions for ${state.toBeMade.join(', ')}.`)
    databases.update(state.databases)
    partitions.update(state.partitions.toReversed())
    archived.update(state.archived.toReversed())
  })
}

/** @type {import('../table.js').Column<DatabaseDisk>[]} */
const databaseColumns = [
  { name: 'database', text: ({ name }) => name },
  { name: 'server', text: ({ server }) => server },
  { name: 'size on disk', text: (each) => bytes(each.bytes), number: true },
  { name: 'free there', text: ({ fileSystem }) => bytes(fileSystem?.freeBytes), number: true },
  { name: 'of', text: ({ fileSystem }) => bytes(fileSystem?.totalBytes), number: true },
  {
    name: 'file system of its data directory',
    wide: true,
    text: ({ fileSystem, unseen }) =>
      fileSystem === null ? `not known: ${unseen}` : `${fileSystem.mountedAt} (${fileSystem.type}) of ${fileSystem.machine}`,
    tone: ({ fileSystem }) => (fileSystem === null ? 'quiet' : ''),
  },
]

/** @type {import('../table.js').Column<PartitionState>[]} */
const partitionColumns = [
  { name: 'name', text: ({ name }) => name },
  { name: 'from', text: ({ from }) => day(from) },
  { name: 'to', text: ({ to }) => day(to) },
  { name: 'rows, about', text: ({ rows }) => count(rows), number: true },
  { name: 'size', text: (each) => bytes(each.bytes), number: true },
  { name: 'index', text: ({ indexBytes }) => bytes(indexBytes), number: true },
  { name: 'state', text: ({ state }) => state },
  { name: 'planned', text: planned, wide: true },
]

/** @type {import('../table.js').Column<ArchivedDayState>[]} */
const archivedColumns = [
  { name: 'day', text: (each) => each.day },
  { name: 'rows', text: ({ rows }) => count(rows), number: true },
  { name: 'size', text: (each) => bytes(each.bytes), number: true },
  { name: 'place, as the store has it', text: ({ location }) => location, wide: true },
]

/**
 * @param {StorageState} state
 * @returns {string}
 */
function strayText({ backend, strayRows, strayDays }) {
  if (backend === 'timescaledb') return 'The table is kept by TimescaleDB: no row can lie outside its chunks.'
  if (strayRows === null) return 'Rows in the default partition: ?'
  if (strayRows === 0) return 'No row lies in the default partition.'
  return `${count(strayRows)} rows of ${count(strayDays)} days lie in the default partition: \`millrace partitions drain\` gives them their own.`
}

/**
 * @param {PartitionState} partition
 * @returns {string}
 */
function planned({ foreign, dropsAt, archivesAt, restored }) {
  if (foreign) return 'left alone: Millrace did not make it'
  if (dropsAt !== null) return `dropped on ${day(dropsAt)}`
  if (restored) return 'kept: brought back from the archive'
  return archivesAt === null ? 'kept' : `archived on ${day(archivesAt)}`
}

/**
 * Midnight needs no time.
 * @param {string | null} time
 * @returns {string}
 */
function day(time) {
  if (time === null) return '…'
  return time.endsWith('T00:00:00.000Z') ? time.slice(0, 10) : time.slice(0, 16).replace('T', ' ')
}
