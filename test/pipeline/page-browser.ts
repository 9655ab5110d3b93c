import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** A tab, and what is wrong with it so far. */
export interface Tab extends AsyncDisposable {
  readonly page: Page
  /** What the console said of errors and violations, exceptions, and dialogs that opened. */
  readonly troubles: readonly string[]
  /** What axe finds that is serious or worse, or bad practice: rule and element. */
  axe(): Promise<readonly string[]>
}

/** Headless Chromium; test/install-browser installs it. */
export interface TestBrowser extends AsyncDisposable {
  open(url: string, options?: BrowserContextOptions): Promise<Tab>
}

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const LIMIT_MS = 60_000
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export async function openBrowser(): Promise<TestBrowser> {
  const browser: Browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS, timeout: LIMIT_MS })
  return {
    async open(url, options = {}) {
      const context = await browser.newContext(options)
      context.setDefaultTimeout(LIMIT_MS)
      const page = await context.newPage()
      const troubles: string[] = []
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') troubles.push(message.text())
      })
      page.on('pageerror', (error) => troubles.push(String(error)))
      page.on('dialog', (dialog) => {
        troubles.push(`dialog: ${dialog.message()}`)
        void dialog.dismiss()
      })
      await page.goto(url)
      return {
        page,
        troubles,
        async axe() {
          await page.evaluate(AXE)
          return await page.evaluate(async () => {
            const { axe } = globalThis as unknown as { axe: { run(where: unknown, options: object): Promise<AxeResult> } }
            const { document } = globalThis as unknown as { document: unknown }
            const { violations } = await axe.run(document, {
              runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'],
              resultTypes: ['violations'],
            })
            return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
          })
        },
        [Symbol.asyncDispose]: () => context.close(),
      }
    },
    [Symbol.asyncDispose]: () => browser.close(),
  }
}

interface AxeResult {
  readonly violations: readonly { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[]
}

/** A picture for the docs, if SCREENSHOTS names the folder for them. */
export async function screenshot({ page }: Tab, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`) })
}
