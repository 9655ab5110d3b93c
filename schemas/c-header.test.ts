import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { cFirmwaresHeader, cHeader, cHeaderName, hasCHeader } from './c-header.ts'
import { readQuantities, readSchema } from './files.ts'
import { type Firmware, parseFirmware } from './firmware.ts'

const quantities = new Set(readQuantities().map(({ name }) => name))
const firmware = (id: string): Firmware => parseFirmware(readSchema(`firmware/${id}`).json, quantities)

/** Compiles a C program against a firmware's header and runs it: what it prints. */
function runC(id: string, statements: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-c-header-'))
  try {
    writeFileSync(join(directory, cHeaderName(firmware(id))), cHeader(firmware(id)))
    writeFileSync(
      join(directory, 'main.c'),
      `#include <stdio.h>\n#include "${cHeaderName(firmware(id))}"\nint main(void) {\n${statements}\nreturn 0; }\n`,
    )
    const flags = ['-std=c99', '-Wall', '-Wextra', '-Werror', '-Ifirmware/include', `-I${directory}`]
    execFileSync('cc', [...flags, join(directory, 'main.c'), '-o', join(directory, 'main')])
    return execFileSync(join(directory, 'main'), { encoding: 'utf8' })
  } finally {
    rmSync(directory, { recursive: true })
  }
}

describe('cHeader', () => {
  it('has the fingerprint in the order it is sent', () => {
    const printed = runC('hive-2', 'for (int i = 0; i < 8; i++) printf("%02x", hive_2_schema.fingerprint[i]);')
    expect(printed).to.equal(firmware('hive-2').fingerprint.toString('hex'))
  })

  it('names a metric of a channel with the channel, for programs on a host', () => {
    const example = JSON.parse(readFileSync('docs/examples/hive-3.avsc', 'utf8')) as unknown
    const header = cHeader(parseFirmware(example, quantities))
    expect(header).to.include('{"brood", "brood/temperature", 1, 0, 100, -32768, 0, 0}')
    expect(header).to.include('{"outside", "temperature", 1, 0, 100, -32768, 0, 0}')
    expect(header).to.include('int32_t brood; /* brood/temperature = raw * 0.01 */')
  })

  it('keeps the order of the metrics', () => {
    const printed = runC('plant-1', 'for (int i = 0; i < PLANT_1_METRICS; i++) printf("%s ", plant_1_metrics[i].name);')
    expect(printed.trim().split(' ')).to.deep.equal(firmware('plant-1').metrics.map(({ name }) => name))
  })

  it('lets a device encode only the codes that the schema lists', () => {
    const program = `struct hive_2_sample sample = HIVE_2_NO_READINGS; int32_t row[HIVE_2_METRICS];
      for (sample.charge = -2; sample.charge < 6; sample.charge++) printf("%d ", hive_2_row(&sample, row) == MILLRACE_OK);`
    expect(runC('hive-2', program)).to.equal('0 1 1 1 1 1 1 0 ')
  })

  it('names every firmware that a program on a host can be, and no other', () => {
    const header = cFirmwaresHeader([firmware('hive-1'), firmware('generic-json'), firmware('hive-2'), firmware('plant-1')])
    expect(header).to.contain('X(hive_1) X(hive_2) X(plant_1)\n').and.to.contain('"hive-1, hive-2 or plant-1"').and.not.to.contain('json')
    expect(cFirmwaresHeader([firmware('hive-1')])).to.contain('#define MILLRACE_FIRMWARE_NAMES "hive-1"')
  })

  it('is not made for a firmware with doubles', () => {
    expect(hasCHeader(firmware('generic-json'))).to.equal(false)
    expect(() => cHeader(firmware('generic-json'))).to.throw(RangeError, 'generic-json')
  })
})
