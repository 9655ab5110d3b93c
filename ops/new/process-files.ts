import { portOf, tableName } from './name.ts'
import type { Files, Imports } from './place.ts'

/**
 * The files of a new business process: it keeps the newest temperature of each device in a table of
 * its own. They are a beginning, to be changed.
 */
export function processFiles(name: string, imports: Imports): Files {
  return {
    [`migrations/0001-${name}.sql`]: migration(name),
    'reasons.ts': reasons(name, imports),
    'process.ts': code(name, imports),
  }
}

function migration(name: string): string {
  const table = tableName(name)
  return `-- The newest temperature of each device.
CREATE TABLE ${table} (
  device_id text COLLATE "C" PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
  ts timestamptz NOT NULL,
  temperature double precision NOT NULL
);

COMMENT ON COLUMN ${table}.temperature IS 'In degrees Celsius.';
`
}

function reasons(name: string, { contract }: Imports): string {
  return `import type { ReasonDoc } from '${contract}'

/** Why ${name} rejects the samples of a device. */
export const reasons = {
  'unknown-device': {
    means: 'The device of the samples is not in the app database.',
    whatToDo: 'Provision the device (\`millrace devices add\`) and redrive.',
  },
} as const satisfies Readonly<Record<string, ReasonDoc>>
`
}

function code(name: string, { contract, process: door, topics }: Imports): string {
  const imports =
    door === contract
      ? `import { defineProcess, readings, reject } from '${contract}'`
      : `import { reject } from '${contract}'
import { defineProcess } from '${door}'
import { readings } from '${topics}'`
  return `${imports}
import { reasons } from './reasons.ts'

/** Keeps the newest temperature of each device. */
export const businessProcess = defineProcess({
  from: readings,
  database: 'app',
  order: 'newest-first',
  time: ({ ts }) => ts,
  reasons,
  metricsPort: ${portOf(name)},
  handle: async (device, samples, tx) => {
    // Samples of its channels have another device_id.
    const newest = samples.find(({ device_id, temperature }) => device_id === device && temperature !== null)
    if (newest === undefined) return undefined
    const [known] = await tx.query('SELECT id FROM devices WHERE id = $1', [device])
    if (known === undefined) return reject('unknown-device', \`\${device} is not in the app database\`)
    // A sample that comes late, or again, changes nothing.
    await tx.query(
      \`INSERT INTO ${tableName(name)} AS latest (device_id, ts, temperature)
       VALUES ($1, to_timestamp(0) + $2::bigint * interval '1 microsecond', $3)
       ON CONFLICT (device_id) DO UPDATE SET ts = excluded.ts, temperature = excluded.temperature
       WHERE excluded.ts > latest.ts\`,
      [device, newest.ts, newest.temperature],
    )
    return undefined
  },
})
`
}

const SAMPLES = `const device = 'hive-1' as DeviceId
/** Microseconds since 1970. */
const TS = 1_764_400_000_000_000

const sample = (temperature: number | null): Reading => reading({ device_id: device, ts: TS, temperature })

/** Notes what is written, and knows the devices that it was made with. */
function database(...devices: readonly string[]): { readonly tx: Transaction; readonly written: unknown[] } {
  const written: unknown[] = []
  const query = async (text: string, values: readonly unknown[] = []): Promise<readonly unknown[]> => {
    if (text.startsWith('SELECT')) return devices.filter((id) => id === values[0]).map((id) => ({ id }))
    written.push(values)
    return []
  }
  return { tx: { query } as Transaction, written }
}`

/** Its test in a package of its own, which needs nothing but Node.js. */
export function processTest(name: string): string {
  return `import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DeviceId, Reading, Transaction } from 'millrace/processor'
import { reading } from 'millrace/testing'
import { businessProcess } from './process.ts'

${SAMPLES}

describe('${name}', () => {
  it('writes the newest sample that has a temperature', async () => {
    const { tx, written } = database(device)
    const samples = [sample(null), sample(21.5), sample(20)]
    assert.equal(await businessProcess.handle(device, samples, tx), undefined)
    assert.deepEqual(written, [[device, TS, 21.5]])
  })

  it('writes nothing if none has one', async () => {
    const { tx, written } = database(device)
    assert.equal(await businessProcess.handle(device, [sample(null)], tx), undefined)
    assert.deepEqual(written, [])
  })

  it('rejects a device that the app database does not know', async () => {
    const { tx, written } = database()
    const rejected = await businessProcess.handle(device, [sample(21.5)], tx)
    assert.equal(rejected?.reason, 'unknown-device')
    assert.deepEqual(written, [])
  })
})
`
}

/** The same for a folder of processors/, in the project's own manner. */
export function projectProcessTest(name: string): string {
  return `import { expect } from 'chai'
import { reading } from '../../kit/testing.ts'
import type { Reading } from '../../schemas/generated/readings.ts'
import type { DeviceId } from '../contract.ts'
import type { Transaction } from '../process.ts'
import { businessProcess } from './process.ts'

${SAMPLES}

describe('${name}', () => {
  it('writes the newest sample that has a temperature', async () => {
    const { tx, written } = database(device)
    const samples = [sample(null), sample(21.5), sample(20)]
    expect(await businessProcess.handle(device, samples, tx)).to.equal(undefined)
    expect(written).to.deep.equal([[device, TS, 21.5]])
  })

  it('writes nothing if none has one', async () => {
    const { tx, written } = database(device)
    expect(await businessProcess.handle(device, [sample(null)], tx)).to.equal(undefined)
    expect(written).to.deep.equal([])
  })

  it('rejects a device that the app database does not know', async () => {
    const { tx, written } = database()
    const rejected = await businessProcess.handle(device, [sample(21.5)], tx)
    expect(rejected?.reason).to.equal('unknown-device')
    expect(written).to.deep.equal([])
  })
})
`
}
