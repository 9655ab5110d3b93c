import { hostname } from 'node:os'
import { expect } from 'chai'
import { type Page as OpsPage, servePage } from '../../ops/page/serve-page.ts'
import { loadConfig } from '../../services/config.ts'
import { type BlackHole, digBlackHole } from '../adversary/black-hole.ts'
import { openBrowser, screenshot, type Tab, type TestBrowser } from './page-browser.ts'
import { millrace } from './service.ts'
import { quiet } from './stack-clients.ts'

/** A machine that is busy with other tests takes its time. */
const LIMIT_MS = 60_000
const ADDRESSES = ['TELEMETRY_DATABASE_URL', 'APP_DATABASE_URL', 'TELEMETRY_READER_URL', 'APP_READER_URL'] as const

describe('the page for operators, while what it asks does not answer', function () {
  this.timeout(4 * LIMIT_MS)
  let hole: BlackHole
  let served: OpsPage
  let browser: TestBrowser
  const open: Tab[] = []

  before(async () => {
    await millrace('migrate')
    const port = Number(new URL(process.env.TELEMETRY_DATABASE_URL ?? '').port)
    hole = await digBlackHole(port)
    const swallowed = ADDRESSES.flatMap((name) => {
      const given = process.env[name]
      return given === undefined ? [] : [[name, given.replace(`:${port}/`, `:${hole.port}/`)] as const]
    })
    const config = loadConfig({ ...process.env, ...Object.fromEntries(swallowed) }, undefined)
    served = await servePage({ config, host: '127.0.0.1', port: 0, names: [], log: quiet })
    browser = await openBrowser()
  })
  after(async () => {
    for (const tab of open) await tab[Symbol.asyncDispose]()
    await browser?.[Symbol.asyncDispose]()
    await served?.[Symbol.asyncDispose]()
    await hole?.[Symbol.asyncDispose]()
  })

  it('says at once for what it waits, then since when, and why; and shows it once there is an answer', async () => {
    const look = async (hash: string, colorScheme: 'light' | 'dark'): Promise<Tab> => {
      const tab = await browser.open(`http://127.0.0.1:${served.port}/${hash}`, { colorScheme, viewport: { width: 390, height: 800 } })
      open.push(tab)
      return tab
    }
    const storage = await look('#storage', 'dark')
    const said = storage.page.locator('main [role="status"]')
    await said.getByText('Waiting for partitions and sizes, from the telemetry database.', { exact: true }).waitFor()
    await screenshot(storage, 'ops-waiting')
    expect(await storage.page.locator('main h1').innerText()).to.equal('Storage')
    // Nothing that would look like an answer.
    expect(await storage.page.locator('main').innerText()).to.not.match(/none|\?|0/)
    expect(await storage.axe()).to.deep.equal([])
    const devices = await look('#devices', 'light')
    await said.getByText(/^Waiting for partitions.* since \d\d:\d\d:\d\d: no answer yet\. It is asked again and again\.$/).waitFor()
    await storage.page
      .getByRole('alert')
      .getByText(/Not known since \d\d:\d\d:\d\d: .+/)
      .waitFor()
    await devices.page.getByRole('alert').filter({ hasText: /.+/ }).waitFor()
    await devices.page.getByText(/^Waiting for devices.* since /).waitFor()
    expect(await devices.axe()).to.deep.equal([])
    hole.open()
    await storage.page.getByText('size on disk').waitFor()
    // Its server runs here: the room on the file system of its data directory is known.
    const telemetry = await storage.page.getByRole('row').filter({ hasText: 'telemetry database' }).innerText()
    expect(telemetry).to.match(
      new RegExp(`\\b127\\.0\\.0\\.1:${hole.port}\\s+[\\d.]+ MiB\\s+[\\d.]+ .iB\\s+[\\d.]+ .iB\\s+/.* of ${hostname()}$`),
    )
    await screenshot(storage, 'ops-storage-dark-phone')
    await devices.page
      .getByText(/^Devices/)
      .first()
      .waitFor()
    for (const { page } of open) {
      await page.locator('.waiting').waitFor({ state: 'detached' })
      await page.getByRole('alert').waitFor({ state: 'hidden' })
    }
    // The browser itself tells of answers that are failures.
    expect(open.flatMap(({ troubles }) => troubles).filter((each) => !each.includes('503'))).to.deep.equal([])
  })
})
