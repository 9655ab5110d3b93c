/** @import { ContinuityState, DeviceFigures } from '../../continuity/messages.ts' */
/** @import { Page } from '../page.js' */
import { element, setAttribute, setText } from '../dom.js'
import { clockTime, count } from '../format.js'
import { table } from '../table.js'

const STATES = /** @type {const} */ ([
  ['numbered', 'numbered'],
  ['stored', 'stored'],
  ['dead-lettered', 'deadLettered'],
  ['in flight', 'inFlight'],
  ['missing', 'missing'],
])

/**
 * Where every frame is that a device ever numbered.
 * @param {HTMLElement} place
 * @param {Page} page
 */
export function mount(place, page) {
  const verdict = element('p', { role: 'status' }, 'The ledger is being read.')
  const sums = table(
    'Frames',
    [
      { name: 'state', text: ([name]) => name },
      { name: 'frames', text: ([, frames]) => count(frames), number: true },
    ],
    (/** @type {readonly [string, number | null]} */ [name]) => name,
  )
  const devices = table(
    'Devices to look at',
    [
      { name: 'device', text: (/** @type {DeviceFigures} */ { device }) => device },
      ...STATES.map(([name, key]) => ({
        name,
        text: (/** @type {DeviceFigures} */ each) => count(each[key]),
        tone: (/** @type {DeviceFigures} */ each) => (key === 'missing' && each.missing > 0 ? 'bad' : ''),
        number: true,
      })),
      { name: 'samples discarded by itself', text: (each) => count(each.dropped), number: true },
      { name: 'partly dead', text: (each) => count(each.partlyDead), number: true },
      { name: 'contradictions', text: (each) => count(each.conflicts), number: true },
    ],
    ({ device }) => device,
  )
  const notes = element('p', { class: 'quiet' })
  place.append(verdict, sums.element, devices.element, notes)
  page.watch('continuity', (/** @type {ContinuityState} */ { at, answer, why }) => {
    sums.update(STATES.map(([name, key]) => [name, answer?.frames[key] ?? null]))
    devices.update(answer?.listed ?? [], answer === null ? 'not known' : 'none')
    setAttribute(verdict, 'class', answer === null ? 'quiet' : answer.addsUp ? 'good' : 'bad')
    if (answer === null) return setText(verdict, `It cannot be told: ${why ?? ''}`)
    const sum = answer.addsUp ? 'The four states add up to the frames numbered' : 'The states do not add up: this is a defect of the ledger'
    setText(verdict, `${sum}, by ${count(answer.devices)} devices, at ${clockTime(new Date(at))}.`)
    setText(
      notes,
      [
        ...(answer.remarkable > answer.listed.length
          ? [`${count(answer.remarkable)} devices in all; \`millrace continuity --json\` has them.`]
          : []),
        ...(answer.strangers > 0 ? [`${count(answer.strangers)} frames came under names that are no devices: they are in no sum.`] : []),
        ...(answer.lost > 0 ? [`${count(answer.lost)} records were deleted by Kafka before the ledger had read them.`] : []),
      ].join('\n'),
    )
  })
}
