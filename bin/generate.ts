/**
 * Writes what is derived from the sources: TypeScript types, C headers, references. With --check it
 * only names the files that are not current.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { cases } from '../processors/movement/harsh/cases.ts'
import { measure } from '../processors/movement/harsh/measure.ts'
import { withTable } from '../processors/movement/harsh/table.ts'
import { avroTypes } from '../schemas/avro-types.ts'
import { cFirmwaresHeader, cHeader, cHeaderName, hasCHeader } from '../schemas/c-header.ts'
import { projectRoot, readFirmwares, readOwnSchemas, readSchema } from '../schemas/files.ts'
import { readingsTypes } from '../schemas/readings-types.ts'
import { commandsDocument } from './commands-document.ts'
import { configurationDocument, configurationJsonSchema } from './configuration-document.ts'
import { DASHBOARDS } from './grafana-dashboards.ts'
import { dashboardJson } from './grafana-json.ts'
import { kafkaUserResources, prometheusRuleResource } from './kubernetes-resources.ts'
import { licencesDocument } from './licences-document.ts'
import { metricsDocument } from './metrics-document.ts'
import { quantitiesDocument } from './quantities-document.ts'
import { reasonsDocument } from './reasons-document.ts'

const wanted = new Map<string, string>([
  ['schemas/generated/readings.ts', readingsTypes(readSchema('readings').json, 'schemas/readings.avsc')],
  ['docs/dead-letters.md', await reasonsDocument()],
  ['docs/metrics.md', await metricsDocument()],
  ['docs/quantities.md', quantitiesDocument()],
  ['docs/commands.md', commandsDocument()],
  ['docs/licences.md', licencesDocument()],
  ['deploy/kubernetes/base/kafka/users.yaml', await kafkaUserResources()],
  ['deploy/kubernetes/monitoring/rules.yaml', prometheusRuleResource()],
  ['docs/configuration-reference.md', configurationDocument()],
  ['schemas/generated/millrace.schema.json', configurationJsonSchema()],
])
for (const { path, json } of [readSchema('device-status'), readSchema('raw'), readSchema('dead-letter'), ...readOwnSchemas()]) {
  const folder = join(dirname(path), 'generated')
  wanted.set(join(folder, `${basename(path, '.avsc')}.ts`), avroTypes(json, path, relative(folder, 'schemas/avro-schema.ts')))
}
for (const dashboard of DASHBOARDS) wanted.set(`deploy/grafana/${dashboard.uid}.json`, dashboardJson(dashboard))
const firmwares = readFirmwares().map(({ firmware }) => firmware)
// A firmware with doubles gets no header: only the bridge writes them, for JSON devices.
for (const firmware of firmwares.filter(hasCHeader)) wanted.set(`firmware/generated/${cHeaderName(firmware)}`, cHeader(firmware))
wanted.set('firmware/generated/firmwares.h', cFirmwaresHeader(firmwares))

const check = process.argv.includes('--check')
// It takes seconds, and its unit test checks the page.
const movementPage = 'docs/processes/movement.md'
if (!check) wanted.set(movementPage, withTable(current(movementPage) ?? '', cases.map(measure)))
let stale = 0
for (const [path, text] of wanted) {
  if (text === current(path)) continue
  stale++
  if (check) console.error(`${path} is not current: run make generate`)
  else {
    mkdirSync(dirname(`${projectRoot}${path}`), { recursive: true })
    writeFileSync(`${projectRoot}${path}`, text)
    console.log(`wrote ${path}`)
  }
}
process.exitCode = check && stale > 0 ? 1 : 0

function current(path: string): string | undefined {
  try {
    return readFileSync(`${projectRoot}${path}`, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}
