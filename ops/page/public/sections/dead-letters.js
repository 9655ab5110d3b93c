/** @import { DeadLetterEntry, DeadLettersState } from '../../dead-letters/messages.ts' */
/** @import { DeadLetterView, DeadTopicState } from '../../dead-letters/messages.ts' */
/** @import { NewestDeadLetters, ReasonState } from '../../dead-letters/messages.ts' */
/** @import { RedriveRequest, RedriveState } from '../../dead-letters/messages.ts' */
/** @import { Page } from '../page.js' */
import { element, setChildren, setText } from '../dom.js'
import { clockTime, count } from '../format.js'
import { problemLine } from '../page.js'
import { table } from '../table.js'

/** @typedef {ReasonState & { readonly topic: string }} ReasonRow */

/**
 * Dead letters by reason; those of one reason, with a redrive of them; one of them.
 * @param {HTMLElement} place
 * @param {Page} page
 */
export async function mount(place, page) {
  const [topic, reason, partition, offset] = page.path
  if (topic === undefined || reason === undefined) mountReasons(place, page)
  else if (partition === undefined || offset === undefined) await mountReason(place, page, topic, reason)
  else await mountLetter(place, page, { topic, reason, partition, offset })
}

/**
 * @param {...string} parts
 * @returns {string}
 */
function address(...parts) {
  return `#dead-letters/${parts.map(encodeURIComponent).join('/')}`
}

/**
 * @param {HTMLElement} place
 * @param {Page} page
 */
function mountReasons(place, page) {
  const reasons = table(
    'Dead letters by reason',
    [
      {
        name: 'reason',
        text: (/** @type {ReasonRow} */ row) => row.reason,
        href: (/** @type {ReasonRow} */ row) => address(row.topic, row.reason),
      },
      { name: 'topic', text: (row) => row.topic },
      { name: 'dead letters', text: (row) => count(row.deadLetters), number: true },
      { name: 'open', text: (row) => count(row.open), tone: (row) => (row.open === 0 ? 'quiet' : ''), number: true },
      { name: 'devices', text: (row) => count(row.devices), number: true },
      { name: 'attempts', text: (row) => count(row.attempts), number: true },
      { name: 'first of them', text: (row) => clockTime(new Date(row.oldest)) },
      { name: 'last of them', text: (row) => clockTime(new Date(row.newest)) },
    ],
    (row) => `${row.topic} ${row.reason}`,
  )
  const notes = element('p', { class: 'quiet' })
  const means = 'Open: no redrive has settled it yet. Attempts: the most of any of them.'
  place.append(reasons.element, element('p', { class: 'quiet' }, means), notes)
  page.watch('dead-letters', (/** @type {DeadLettersState} */ { topics }) => {
    reasons.update(topics.flatMap(({ topic, reasons: each }) => each.map((row) => ({ topic, ...row }))))
    setText(notes, topics.flatMap(noteOf).join('\n'))
  })
}

/**
 * @param {DeadTopicState} topic
 * @returns {readonly string[]}
 */
function noteOf({ topic, more, lookedAt, unreadable }) {
  return [
    ...(more ? [`${topic}: of its newest ${count(lookedAt)} dead letters; \`millrace dead\` counts all.`] : []),
    ...(unreadable > 0 ? [`${topic}: ${count(unreadable)} records that are no dead letters.`] : []),
  ]
}

/**
 * @param {HTMLElement} place
 * @param {Page} page
 * @param {string} topic
 * @param {string} reason
 */
async function mountReason(place, page, topic, reason) {
  const newest = table(
    'The newest of them',
    [
      {
        name: 'place',
        text: (/** @type {DeadLetterEntry} */ each) => `${each.partition}/${each.offset}`,
        href: (/** @type {DeadLetterEntry} */ each) => address(topic, reason, String(each.partition), each.offset),
      },
      { name: 'device', text: (each) => each.device ?? 'none' },
      { name: 'last failed', text: (each) => clockTime(new Date(each.lastFailed)) },
      { name: 'attempt', text: (each) => count(each.attempt), number: true },
      { name: 'state', text: (each) => (each.open === null ? '?' : each.open ? 'open' : 'settled') },
      { name: 'detail', text: (each) => each.detail, wide: true },
    ],
    (each) => `${each.partition}/${each.offset}`,
  )
  const redrive = element('div')
  place.append(
    element('p', {}, element('a', { href: '#dead-letters' }, 'All reasons')),
    element('h2', {}, `${reason} in ${topic}`),
    newest.element,
    redrive,
  )
  let offered = false
  page.watch('dead-letters', (/** @type {DeadLettersState} */ { topics }) => {
    const processor = topics.find((each) => each.topic === topic)?.processor
    if (offered || processor === undefined || processor === null) return
    offered = true
    offerRedrive(redrive, page, processor, reason)
  })
  page.watch('redrive', ({ run }) => {
    if (run?.ended !== null) void show().catch(() => undefined)
  })
  const show = async () => {
    /** @type {NewestDeadLetters} */
    const { deadLetters } = await page.get(`dead-letters/newest?topic=${encodeURIComponent(topic)}&reason=${encodeURIComponent(reason)}`)
    newest.update(deadLetters)
  }
  await show()
}

/**
 * A dry run, and then the redrive.
 * @param {HTMLElement} place
 * @param {Page} page
 * @param {string} processor
 * @param {string} reason
 */
function offerRedrive(place, page, processor, reason) {
  place.append(element('h2', {}, 'Redrive'))
  if (!page.actions) {
    place.append(
      element(
        'p',
        { class: 'quiet' },
        'This page is read-only: it was started without MILLRACE_OPS_TOKEN. `millrace redrive` does the same.',
      ),
    )
    return
  }
  const device = element('input', { id: 'redrive-device', autocomplete: 'off', spellcheck: 'false' })
  const dry = element('button', { type: 'button' }, 'Dry run')
  const go = element('button', { type: 'button', disabled: true }, 'Redrive')
  const stop = element('button', { type: 'button', disabled: true }, 'Stop')
  const wrong = problemLine()
  const progress = element('p', { role: 'status' })
  const result = element('pre', { tabindex: 0, 'aria-label': 'What the run said' })
  result.hidden = true
  place.append(
    element(
      'p',
      {},
      `Runs ${processor} over its dead letters of ${reason} again. The dry run says what would happen, and changes nothing.`,
    ),
    element('div', { class: 'fields' }, element('label', {}, 'Of this device only', device), dry, go, stop),
    wrong.element,
    progress,
    result,
  )
  /** @type {RedriveState['run']} */
  let run = null

  const wanted = () => ({ processor, reason, device: device.value === '' ? null : device.value })
  const isTried = () => {
    const asked = wanted()
    return (
      run?.dryRun === true &&
      run.ended !== null &&
      run.problem === null &&
      run.processor === asked.processor &&
      run.reason === asked.reason &&
      run.device === asked.device
    )
  }
  const update = () => {
    const underWay = run !== null && run.ended === null
    dry.disabled = underWay
    go.disabled = underWay || !isTried()
    stop.disabled = !underWay
  }
  /**
   * @param {string} path
   * @param {RedriveRequest | {}} body
   */
  const act = async (path, body) => {
    wrong.show(undefined)
    try {
      await page.act(path, body)
    } catch (cause) {
      wrong.show(cause instanceof Error ? cause.message : String(cause))
    }
  }
  dry.onclick = () => act('dead-letters/redrive', { ...wanted(), dryRun: true })
  go.onclick = () => act('dead-letters/redrive', { ...wanted(), dryRun: false })
  stop.onclick = () => act('dead-letters/redrive/stop', {})
  device.oninput = update
  page.watch('redrive', (/** @type {RedriveState} */ state) => {
    run = state.run
    update()
    if (run === null) return
    const what = `${run.dryRun ? 'Dry run' : 'Redrive'} of ${run.processor}, ${run.reason ?? 'all reasons'}${run.device === null ? '' : `, ${run.device}`}`
    const seen = `${count(run.seen)} dead letters seen`
    setText(progress, run.ended === null ? `${what}: under way, ${seen}` : `${what}: over at ${clockTime(new Date(run.ended))}, ${seen}`)
    result.hidden = run.lines.length === 0
    setText(result, run.lines.join('\n'))
    wrong.show(run.problem ?? undefined)
  })
}

/**
 * @typedef {object} LetterPlace
 * @property {string} topic
 * @property {string} reason
 * @property {string} partition
 * @property {string} offset
 */

/**
 * @param {HTMLElement} place
 * @param {Page} page
 * @param {LetterPlace} where
 */
async function mountLetter(place, page, { topic, reason, partition, offset }) {
  place.append(element('p', {}, element('a', { href: address(topic, reason) }, `${reason} in ${topic}`)))
  const query = new URLSearchParams({ topic, partition, offset })
  /** @type {DeadLetterView} */
  const { fields, original } = await page.get(`dead-letters/letter?${query}`)
  const list = element('dl', { class: 'fields-of' })
  setChildren(list, ...fields.flatMap(([name, text]) => [element('dt', {}, name), element('dd', {}, text)]))
  const bytes = element('pre', { tabindex: 0, 'aria-label': 'The original' }, original.join('\n'))
  place.append(list, element('h2', {}, 'The original'), bytes)
}
