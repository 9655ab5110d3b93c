import { spawnSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { provisionDevices } from '../../connectors/postgres/devices.ts'
import { openRollups } from '../../connectors/postgres/rollups.ts'
import { type Page as OpsPage, servePage } from '../../ops/page/serve-page.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { projectRoot } from '../../schemas/files.ts'
import { loadConfig } from '../../services/config.ts'
import { produce } from './frames.ts'
import { openBrowser, screenshot, type Tab, type TestBrowser } from './page-browser.ts'
import { readingsRecords } from './readings-records.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'
import { millrace } from './service.ts'
import { quiet } from './stack-clients.ts'

/** Of this run: the stack keeps records of earlier ones. */
const run = `w${Date.now().toString(36)}`
const [ACCOUNT, SITE] = ['Malt house', 'Hall 3']
const HOSTILE_ACCOUNT = `Hall <img src=x onerror="alert('account')">`
const HOSTILE_SITE = `=cmd|'/c calc'!A1 <script>alert('site')</script>`
/** Not one that can be provisioned; readings may have any. */
const STRANGER = `=cmd|'/c calc'!A1 <img src=x onerror=alert(1)>?#%`
const HALL = 200
/** Of the hall, which is in databases of the test's own. */
const device = (number: number): string => `hall-${number}`
/** This one is much too warm, this one stopped sending, and this one has a channel. */
const [WARM, QUIET, LONG] = [42, 7, 1]
/** Its readings come by Kafka. */
const LIVE = `${run}-live`
const MINUTE = 60_000
/** A machine that is busy with other tests takes its time. */
const LIMIT_MS = 60_000

describe('the pages of devices and sites', () => {
  let telemetry: ScratchDatabase
  let app: ScratchDatabase
  let served: OpsPage
  let browser: TestBrowser
  let site: bigint
  /** Of the device whose readings come by Kafka. */
  let liveSite: bigint
  const open: Tab[] = []

  before(async function () {
    this.timeout(3 * LIMIT_MS)
    await millrace('migrate')
    await millrace('schemas', 'register')
    telemetry = await scratchDatabase('TELEMETRY_DATABASE_URL')
    app = await scratchDatabase('APP_DATABASE_URL')
    const env = { ...process.env, ...addresses(telemetry, app) }
    const migrated = spawnSync(`${projectRoot}bin/millrace`, ['migrate'], { env, encoding: 'utf8' })
    expect(migrated.status, migrated.stderr).to.equal(0)
    await using database = createDatabase({ url: app.url, applicationName: 'test' })
    const devices = Array.from({ length: HALL }, (_, at) => device(at + 1) as DeviceId)
    const placed = await provisionDevices(database, { account: ACCOUNT, site: SITE, devices, from: null })
    site = placed.siteId ?? 0n
    const other = await provisionDevices(database, {
      account: HOSTILE_ACCOUNT,
      site: HOSTILE_SITE,
      devices: [LIVE as DeviceId],
      from: null,
    })
    liveSite = other.siteId ?? 0n
    await fill(telemetry)
    served = await servePage({ config: loadConfig(env, undefined), host: '127.0.0.1', port: 0, names: [], log: quiet })
    browser = await openBrowser()
  })
  afterEach(async () => {
    for (const tab of open.splice(0)) await tab[Symbol.asyncDispose]()
  })
  after(async () => {
    await browser?.[Symbol.asyncDispose]()
    await served?.[Symbol.asyncDispose]()
    await telemetry?.[Symbol.asyncDispose]()
    await app?.[Symbol.asyncDispose]()
  })

  async function look(hash: string, options: Parameters<TestBrowser['open']>[1] = {}): Promise<Tab> {
    const tab = await browser.open(`http://127.0.0.1:${served.port}/${hash}`, { viewport: { width: 1280, height: 900 }, ...options })
    open.push(tab)
    return tab
  }

  const chart = (page: Page, quantity = 'temperature') => page.locator(`figure[aria-labelledby="chart-${quantity}"]`)
  /** What each point of a chart is: a reading, or a length of time. */
  const shows = (page: Page, every: string): Promise<void> =>
    page.locator(`figure[aria-labelledby="chart-temperature"][data-every="${every}"]`).waitFor({ timeout: LIMIT_MS })

  it('show a reading on the chart of its device within a second of its being published', async function () {
    this.timeout(3 * LIMIT_MS)
    const { page, troubles } = await look(`#devices/${LIVE}`)
    await shows(page, 'reading')
    const took: number[] = []
    for (let number = 0; number < 8; number++) {
      const ts = Date.now()
      await produce(await readingsRecords([{ device: LIVE, tsMicros: ts * 1000, everyMicros: 1, temperatures: [25 + number] }]))
      const published = Date.now()
      await page.locator(`figure[aria-labelledby="chart-temperature"][data-last="${ts}"]`).waitFor({ timeout: LIMIT_MS })
      took.push(Date.now() - published)
      await delay(200)
    }
    // The other tests of this machine may hold up any of them for long, and not all of them.
    expect(Math.min(...took), took.join()).to.be.below(1_000)
    await page.locator('figcaption', { hasText: '32 °C' }).waitFor()
    expect(troubles).to.deep.equal([])
  })

  it('show a reading of any device beside the others of its site within a second of its being published', async function () {
    this.timeout(3 * LIMIT_MS)
    const { page, troubles } = await look(`#sites/${liveSite}`)
    const row = page.locator('tbody tr').filter({ has: page.getByRole('link', { name: LIVE, exact: true }) })
    await row.waitFor()
    const took: number[] = []
    for (let number = 0; number < 8; number++) {
      const tsMicros = Date.now() * 1000
      await produce(await readingsRecords([{ device: LIVE, tsMicros, everyMicros: 1, temperatures: [35 + number] }]))
      const published = Date.now()
      // The newest values of the databases, which do not have it, come each 5 s.
      await row.filter({ hasText: `${35 + number} °C` }).waitFor({ timeout: LIMIT_MS })
      took.push(Date.now() - published)
      await delay(200)
    }
    // The other tests of this machine may hold up any of them for long, and not all of them.
    expect(Math.min(...took), took.join()).to.be.below(1_000)
    expect(troubles).to.deep.equal([])
  })

  it('show a device that never sent once it does, and its channels as lines of their own', async function () {
    this.timeout(3 * LIMIT_MS)
    const strange = `${run}-strange`
    const { page } = await look(`#devices/${strange}`)
    await page.getByText('No reading is stored yet').waitFor()
    // Only what comes after the page has begun to follow is live.
    await page.waitForFunction(() => performance.now() > 3_000)
    const records = await readingsRecords([
      { device: strange, tsMicros: Date.now() * 1000, everyMicros: 1, temperatures: [20] },
      { device: `${strange}/brood`, tsMicros: Date.now() * 1000, everyMicros: 1, temperatures: [34] },
    ])
    await produce(records.map((record) => ({ ...record, key: Buffer.from(strange) })))
    await chart(page).locator('.lines li').nth(1).waitFor()
    expect(await chart(page).locator('.lines li').allInnerTexts()).to.deep.equal([`${strange} 20 °C`, 'brood 34 °C'])
  })

  it('take readings, hours or days by the length of what is shown: by button, keyboard and mouse', async function () {
    this.timeout(3 * LIMIT_MS)
    const tab = await look(`#devices/${device(LONG)}?last=86400000`)
    const { page, troubles } = tab
    await shows(page, 'reading')
    await screenshot(tab, 'ops-device')
    await page.getByRole('button', { name: '7 d' }).click()
    await shows(page, '1 h')
    await page.getByText('mean, lowest and highest of each 1 h').waitFor()
    await screenshot(tab, 'ops-device-week')
    await page.getByRole('button', { name: '1 y' }).click()
    await shows(page, '1 d')
    await page.getByRole('button', { name: '24 h' }).click()
    await shows(page, 'reading')

    const plot = chart(page).locator('.plot')
    await plot.focus()
    // Two days are readings still.
    for (let times = 0; times < 2; times++) await page.keyboard.press('-')
    await shows(page, '1 h')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await shows(page, 'reading')

    await page.getByRole('button', { name: '7 d' }).click()
    await shows(page, '1 h')
    const area = await plot.locator('.u-over').boundingBox()
    if (area === null) throw new Error('the chart has no area')
    await page.mouse.move(area.x + area.width * 0.5, area.y + 50)
    await page.mouse.down()
    await page.mouse.move(area.x + area.width * 0.6, area.y + 50, { steps: 5 })
    await page.mouse.up()
    await shows(page, 'reading')
    expect(page.url()).to.match(/#devices\/[^?]+\?from=\d+&to=\d+$/)
    // It was marked once, and not once on each chart.
    await plot.focus()
    await page.keyboard.press('Escape')
    await shows(page, '1 h')
    await page.reload()
    await shows(page, '1 h')
    expect(troubles).to.deep.equal([])
  })

  it('are moved and stretched by fingers', async function () {
    this.timeout(2 * LIMIT_MS)
    const { page } = await look(`#devices/${device(LONG)}?last=86400000`, {
      hasTouch: true,
      isMobile: true,
      viewport: { width: 390, height: 800 },
    })
    await shows(page, 'reading')
    const area = chart(page).locator('.u-over')
    await area.scrollIntoViewIfNeeded()
    const box = await area.boundingBox()
    if (box === null) throw new Error('the chart has no area')
    const touch = await page.context().newCDPSession(page)
    const fingers = (type: string, ...shares: readonly number[]) =>
      touch.send('Input.dispatchTouchEvent', {
        type: type as 'touchStart',
        touchPoints: shares.map((share, id) => ({ x: box.x + box.width * share, y: box.y + 40, id })),
      })
    await fingers('touchStart', 0.2, 0.8)
    for (const near of [0.25, 0.3, 0.35, 0.4, 0.45]) await fingers('touchMove', near, 1 - near)
    await fingers('touchEnd')
    await shows(page, '1 h')
    await fingers('touchStart', 0.3)
    for (const at of [0.4, 0.6, 0.8]) await fingers('touchMove', at)
    await fingers('touchEnd')
    await page.waitForFunction(() => /[?&]from=/.test((globalThis as unknown as { location: { hash: string } }).location.hash))
  })

  it('say by keyboard what a point of the chart is, and have a table for whoever cannot see it', async function () {
    this.timeout(2 * LIMIT_MS)
    const { page } = await look(`#devices/${device(LONG)}?last=86400000`)
    await shows(page, 'reading')
    const figure = chart(page)
    await figure.locator('.plot').focus()
    await page.keyboard.press('End')
    const newest = await figure.getAttribute('data-cursor')
    for (let times = 0; times < 3; times++) await page.keyboard.press('ArrowLeft')
    const before = await figure.getAttribute('data-cursor')
    expect(Date.parse(`${newest}Z`) - Date.parse(`${before}Z`)).to.equal(3 * 10 * MINUTE)
    await figure.locator('[role="status"]', { hasText: `${before}: ` }).waitFor({ state: 'attached' })
    const rows = await figure.locator('tbody tr').count()
    // Of two lines.
    expect(rows).to.be.within(10, 24)
    const caption = await page.locator('#chart-temperature').innerText()
    expect(caption).to.match(/^temperature \(°C\) [\d.]+ (s|min) ago$/)
  })

  it('list devices, by account, site, state and search, fifty at a time', async function () {
    this.timeout(2 * LIMIT_MS)
    const tab = await look('#devices')
    const { page, troubles } = tab
    const rows = page.locator('tbody tr')
    await rows.nth(49).waitFor()
    expect(await rows.count()).to.equal(50)
    await screenshot(tab, 'ops-devices')
    await page.getByRole('link', { name: 'Next devices' }).click()
    await page.getByRole('link', { name: 'First devices' }).waitFor()
    await page.getByLabel('Device, asset, account or site').fill('HALL-42')
    await page.keyboard.press('Enter')
    await page.waitForFunction(
      () =>
        (globalThis as unknown as { document: { querySelectorAll(of: string): { length: number } } }).document.querySelectorAll('tbody tr')
          .length === 1,
    )
    const row = await rows.first().innerText()
    for (const part of [device(WARM), ACCOUNT, SITE, 'temperature, humidity, battery voltage', '3.70 V', 'unknown'])
      expect(row).to.include(part)
    await page.getByRole('link', { name: device(WARM) }).click()
    await chart(page).waitFor()
    expect(troubles).to.deep.equal([])
  })

  it('show all devices of a site beside each other, with what is unlike the others first', async function () {
    this.timeout(2 * LIMIT_MS)
    const tab = await look(`#sites/${site}`)
    const { page, troubles } = tab
    const rows = page.locator('tbody tr')
    await rows.nth(HALL).waitFor()
    // One of them has a channel.
    expect(await rows.count()).to.equal(HALL + 1)
    await page.locator('tbody tr:nth-child(1) svg polyline').waitFor({ state: 'attached' })
    expect(await rows.first().innerText()).to.match(new RegExp(`^${device(WARM)}\\s+▲ 3\\d(\\.\\d+)? °C\\s+high\\s`))
    const names = await rows.locator('th').allInnerTexts()
    expect(new Set(names)).to.deep.equal(new Set([...Array.from({ length: HALL }, (_, at) => device(at + 1)), `${device(LONG)}, door`]))
    await page.getByText(/^\d+ values of the last hour: median 2\d(\.\d+)? °C/).waitFor()
    // The one that is silent is said to be so in words.
    expect(await rows.filter({ has: page.getByRole('link', { name: device(QUIET), exact: true }) }).innerText()).to.include('old')
    expect(await page.locator('tbody svg').count()).to.equal(HALL + 1)
    await screenshot(tab, 'ops-site')
    await page.getByLabel('Order').selectOption('by name')
    await page.waitForFunction(
      (first) =>
        (globalThis as unknown as { document: { querySelector(of: string): { textContent: string } | null } }).document.querySelector(
          'tbody th',
        )?.textContent === first,
      device(1),
    )
    await page.getByLabel('Quantity').selectOption('humidity')
    await page.getByText('humidity in %; all lines have the same scale').waitFor()
    await page.goto(`http://127.0.0.1:${served.port}/#sites`)
    await page.getByRole('link', { name: SITE }).click()
    await rows.nth(HALL).waitFor()
    expect(troubles).to.deep.equal([])
  })

  it('show a name full of markup as text', async function () {
    this.timeout(2 * LIMIT_MS)
    const { page, troubles } = await look(`#devices/${encodeURIComponent(STRANGER)}`)
    await chart(page).waitFor()
    expect(await page.locator('main h2').innerText()).to.equal(STRANGER)
    expect(await page.locator('.lines li').first().innerText()).to.include(STRANGER)
    expect(await page.title()).to.equal(`${STRANGER} · Millrace`)
    await page.goto(`http://127.0.0.1:${served.port}/#devices/?search=${encodeURIComponent("'/c CALC'!A1 <script>")}`)
    for (const name of [HOSTILE_ACCOUNT, HOSTILE_SITE]) await page.getByRole('link', { name, exact: true }).waitFor()
    await page.getByRole('link', { name: HOSTILE_SITE }).click()
    await page.getByRole('heading', { name: HOSTILE_SITE }).waitFor()
    await page.getByRole('link', { name: HOSTILE_ACCOUNT }).click()
    await page.getByRole('link', { name: LIVE }).waitFor()
    expect(await page.locator('main img, main script, main a[href^="javascript"]').count()).to.equal(0)
    expect(troubles).to.deep.equal([])
  })

  it('have nothing that axe finds fault with, in light and dark, and fit a phone', async function () {
    this.timeout(4 * LIMIT_MS)
    const oneDevice = [`#devices/${device(LONG)}?last=604800000`, 'figure[data-every="1 h"]', 'ops-device'] as const
    const ofSite = [`#sites/${site}`, 'tbody tr:nth-child(1) svg polyline', 'ops-site'] as const
    // In both colours; hundreds of rows take axe long enough once.
    for (const [phone, hash, shown, what] of [
      [false, ...oneDevice],
      [false, '#devices', 'tbody tr:nth-child(50)', 'ops-devices'],
      [true, ...oneDevice],
      [true, ...ofSite],
    ] as const) {
      const tab = await look(hash, phone ? { colorScheme: 'dark', viewport: { width: 390, height: 800 } } : {})
      await tab.page.locator(shown).first().waitFor({ state: 'attached' })
      expect(await tab.axe(), hash).to.deep.equal([])
      const wider = await tab.page.evaluate(() => {
        const { document, innerWidth } = globalThis as unknown as {
          document: { documentElement: { scrollWidth: number } }
          innerWidth: number
        }
        return document.documentElement.scrollWidth - innerWidth
      })
      expect(wider, hash).to.be.at.most(0)
      if (phone) await screenshot(tab, `${what}-dark-phone`)
    }
  })

  it('say what is wrong if there is no such site', async () => {
    const { page } = await look('#sites/999999')
    await page.getByText('there is no site "999999"').waitFor()
  })
})

/** The addresses of two databases, of each with the users of the stack. */
function addresses(telemetry: ScratchDatabase, app: ScratchDatabase): NodeJS.ProcessEnv {
  const all: NodeJS.ProcessEnv = {}
  for (const [name, { url }] of [
    ['TELEMETRY', telemetry],
    ['APP', app],
  ] as const) {
    all[`${name}_DATABASE_URL`] = url
    for (const user of ['STORE', 'PROCESSES', 'READER']) {
      const own = process.env[`${name}_${user}_URL`]
      if (own === undefined) throw new Error(`${name}_${user}_URL is not set: run make test, or source the env of a local stack`)
      const address = new URL(url)
      address.username = new URL(own).username
      all[`${name}_${user}_URL`] = address.href
    }
  }
  return all
}

/**
 * A hall up to now, each 15 minutes: some hours, or a day; one device has twelve days, each 10
 * minutes, with a night missing.
 */
async function fill({ url, query }: ScratchDatabase): Promise<void> {
  await query(
    `INSERT INTO readings (device_id, ts, time_estimated, temperature, humidity, battery_voltage)
     SELECT 'hall-' || d, date_trunc('minute', now()) - n * interval '15 minutes', false,
       21 + sin(n / 16.0) + (d % 17) / 10.0 + CASE WHEN d = $2 THEN 12 ELSE 0 END, 50 + cos(n / 20.0) * 10 + d % 5, 3.7
     FROM generate_series(2, $1::integer) AS d, generate_series(0, 96) AS n 
     WHERE n <= CASE WHEN d <= 20 OR d = $2 THEN 96 ELSE 12 END AND (d <> $3 OR n > 20)`,
    [HALL, WARM, QUIET],
  )
  await query(
    `INSERT INTO readings (device_id, ts, time_estimated, temperature, humidity, battery_voltage)
     SELECT 'hall-1', date_trunc('minute', now()) - n * interval '10 minutes', false, 21 + sin(n / 23.0) * 3, 50 + cos(n / 100.0) * 10, 3.7
     FROM generate_series(0, 144 * 12) AS n WHERE n NOT BETWEEN 60 AND 100`,
  )
  await query(
    `INSERT INTO readings (device_id, ts, time_estimated, temperature)
     SELECT 'hall-1/door', date_trunc('minute', now()) - n * interval '10 minutes', false, 22 + sin(n / 40.0) FROM generate_series(0, 144 * 2) AS n`,
  )
  await query(
    `INSERT INTO readings (device_id, ts, time_estimated, temperature) SELECT unnest($1::text[]), now() - n * interval '1 minute', false, n FROM generate_series(1, 30) AS n`,
    [[STRANGER, LIVE]],
  )
  await using rollups = openRollups({ url, settleMs: 0, openEveryMs: 0 })
  while ((await rollups.turn()).more);
}
