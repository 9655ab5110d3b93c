/** @import { PageFacts } from '../messages.ts' */
import { element, setAttribute, setChildren, setText } from './dom.js'
import { clockTime } from './format.js'
import { ask, problemLine } from './page.js'
import { sections } from './sections.js'
import { createStream } from './stream.js'

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

const stream = createStream(({ open, since }) => {
  setText(connection, open ? 'live' : `no connection since ${clockTime(since)}`)
  connection.classList.toggle('lost', !open)
})

/** Kept in this variable alone: it goes with the tab, and no other page can read it. */
let token = ''

for (const { name, title } of sections) tabs.append(element('li', {}, element('a', { href: `#${name}` }, title)))

/** @type {AbortController | undefined} */
let shown
/** @type {PageFacts} */
let facts = { version: '', actions: false }

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
  setChildren(main, heading, wrong.element, place)
  /** @type {Map<string, string>} */
  const problems = new Map()
  try {
    const { mount } = await section.load()
    if (mine.signal.aborted) return
    await mount(place, {
      parameter: rest.map(decoded).join('/'),
      path: rest.map(decoded),
      actions: facts.actions,
      signal: mine.signal,
      watch(channel, showState) {
        const end = stream.watch(channel, ({ state, problem }) => {
          if (problem === undefined) problems.delete(channel)
          else problems.set(channel, `Not known since ${clockTime(new Date(problem.since))}: ${problem.text}`)
          wrong.show(problems.size === 0 ? undefined : [...problems.values()].join('\n'))
          if (problem === undefined) showState(/** @type {any} */ (state))
        })
        mine.signal.addEventListener('abort', end)
      },
      get: (path) => ask(path, { signal: mine.signal }),
      act,
    })
  } catch (cause) {
    if (!mine.signal.aborted) wrong.show(cause instanceof Error ? cause.message : String(cause))
  }
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

try {
  facts = await ask('page')
} catch (cause) {
  setText(connection, cause instanceof Error ? cause.message : String(cause))
}
tokenButton.hidden = !facts.actions
setText(tokenButton, 'Allow actions')
await show()
