/** @import { PageFacts } from '../messages.ts' */
import { element, setAttribute, setChildren, setText } from './dom.js'
import { clockTime } from './format.js'
import { ask, problemLine } from './page.js'
import { sections } from './sections.js'
import { createStream } from './stream.js'
import { createWaiting } from './waiting.js'

/** What failed is tried again after so long. */
const AGAIN_MS = 3_000

/**
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
function found(id, kind) {
  const there = document.getElementById(id)
  if (!(there instanceof kind)) throw new Error(`the page has no ${id}`)
  return there
}

const main = found('main', HTMLElement)
const tabs = found('tabs', HTMLUListElement)
const connection = found('connection', HTMLElement)
const tokenButton = found('token', HTMLButtonElement)
const dialog = found('ask-token', HTMLDialogElement)
const tokenText = found('token-text', HTMLInputElement)

/** Of the section that is shown. @type {ReturnType<typeof createWaiting> | undefined} */
let waiting

const stream = createStream(({ open, since }) => {
  setText(connection, open ? 'live' : `no connection since ${clockTime(since)}`)
  connection.classList.toggle('lost', !open)
  waiting?.connected(open)
})

/** Kept in this variable alone: it goes with the tab, and no other page can read it. */
let token = ''

for (const { name, title } of sections) tabs.append(element('li', {}, element('a', { href: `#${name}` }, title)))

/** @type {AbortController | undefined} */
let shown
/** @type {Promise<PageFacts>} */
const asked = ask('page').catch((/** @type {unknown} */ cause) => {
  setText(connection, reasonOf(cause))
  return { version: '', actions: false }
})

async function show() {
  const [name = '', ...rest] = location.hash.slice(1).split('/')
  const section = sections.find((each) => each.name === name) ?? sections[0]
  if (section === undefined) return
  shown?.abort()
  const mine = new AbortController()
  shown = mine
  for (const link of tabs.querySelectorAll('a')) setAttribute(link, 'aria-current', link.hash === `#${section.name}` ? 'page' : undefined)
  document.title = `${section.title} · Millrace`
  const heading = element('h1', { tabindex: -1 }, section.title)
  const wrong = problemLine()
  const place = element('div')
  const waits = createWaiting(section.waitsFor, place, mine.signal)
  waiting = waits
  setChildren(main, heading, wrong.element, waits.element, place)
  waits.begin()
  /** By channel; '' is for the section itself. @type {Map<string, string>} */
  const problems = new Map()
  const tell = () => wrong.show(problems.size === 0 ? undefined : [...new Set(problems.values())].join('\n'))

  /** @param {AbortSignal} signal aborted if it is tried again */
  const mountOnce = async (signal) => {
    /** @type {string | undefined} */
    let first
    const { mount } = await section.load()
    const { actions } = await asked
    if (signal.aborted) return
    await mount(place, {
      parameter: rest.map(decoded).join('/'),
      path: rest.map(decoded),
      actions,
      signal,
      watch(channel, showState) {
        first ??= channel
        const end = stream.watch(channel, ({ state, problem }) => {
          if (problem === undefined) problems.delete(channel)
          else problems.set(channel, `Not known since ${clockTime(new Date(problem.since))}: ${problem.text}`)
          tell()
          if (problem !== undefined) {
            if (channel === first) waits.failed()
            return
          }
          showState(/** @type {any} */ (state))
          if (channel === first) waits.end()
        })
        signal.addEventListener('abort', end)
      },
      ready: () => waits.end(),
      get: (path) => ask(path, { signal }),
      act,
    })
    if (first === undefined) waits.end()
  }

  while (!mine.signal.aborted) {
    const attempt = new AbortController()
    try {
      await mountOnce(AbortSignal.any([mine.signal, attempt.signal]))
      if (problems.delete('')) tell()
      return
    } catch (cause) {
      if (mine.signal.aborted) return
      attempt.abort()
      problems.set('', reasonOf(cause))
      tell()
      waits.failed()
      // What is asked for is wrong, and will be.
      if (cause instanceof Error && typeof cause.cause === 'number' && cause.cause < 500) {
        waits.end()
        return
      }
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    if (!mine.signal.aborted) setChildren(place)
  }
}

/** @param {unknown} cause */
function reasonOf(cause) {
  return cause instanceof Error ? cause.message : String(cause)
}

/**
 * @param {string} path
 * @param {unknown} body
 */
async function act(path, body) {
  if (token === '') await askToken()
  try {
    return await ask(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    })
  } catch (cause) {
    // It was a wrong one: the next action asks again.
    if (cause instanceof Error && cause.cause === 403) forgetToken()
    throw cause
  }
}

function forgetToken() {
  token = ''
  setText(tokenButton, 'Allow actions')
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function askToken() {
  return new Promise((resolve, reject) => {
    tokenText.value = ''
    dialog.onclose = () => {
      token = dialog.returnValue === 'take' ? tokenText.value : ''
      tokenText.value = ''
      dialog.returnValue = ''
      setText(tokenButton, token === '' ? 'Allow actions' : 'Forget the token')
      if (token === '') reject(new Error('actions need the token'))
      else resolve(undefined)
    }
    dialog.showModal()
  })
}

tokenButton.onclick = () => {
  if (token === '') void askToken().catch(() => undefined)
  else forgetToken()
}

addEventListener('hashchange', () => {
  if (location.hash === '#main') return
  void show().then(() => main.querySelector('h1')?.focus())
})

setText(tokenButton, 'Allow actions')
void asked.then(({ actions }) => {
  tokenButton.hidden = !actions
})
await show()
