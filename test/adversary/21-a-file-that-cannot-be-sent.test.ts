import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type PrepareOptions, prepareFile } from '../../bin/demo/prepared-file.ts'
import { projectRoot } from '../../schemas/files.ts'
import { millrace } from '../pipeline/service.ts'

const plain: PrepareOptions = {
  map: [],
  device: undefined,
  zone: undefined,
  timeFormat: undefined,
  separator: undefined,
  decimal: undefined,
  missing: [],
  fromLine: undefined,
  header: true,
  skip: false,
  round: false,
  oldestYears: 10,
}

describe('a file that the firmware cannot hold', function () {
  this.timeout(60_000)
  let directory: string

  before(() => {
    execFileSync('make', ['-s', '-C', join(projectRoot, 'firmware')])
    directory = mkdtempSync(join(tmpdir(), 'millrace-file-'))
  })
  after(() => rmSync(directory, { recursive: true }))

  const write = (lines: string): string => {
    const path = join(directory, 'file.csv')
    writeFileSync(path, lines)
    return path
  }
  const refusal = (lines: string, options: Partial<PrepareOptions> = {}): Promise<string> =>
    prepareFile(write(lines), directory, { ...plain, ...options }).then(
      () => 'it was taken',
      (cause: unknown) => String(cause),
    )

  it('with a value that nobody can read is refused at once, with the line, the column, the value and what was expected', async () => {
    const path = write('time,device,temperature\n1795416369100,a,20.25\n1795416369101,a,20;255\n')
    const begun = Date.now()
    // The command as people run it: it must end, with a code, before any server is started.
    const told = await millrace('demo', path).then(
      () => 'it was taken',
      (cause: unknown) => String(cause),
    )
    expect(Date.now() - begun, 'ms').to.be.lessThan(10_000)
    expect(told)
      .to.contain('exited with 2')
      .and.to.contain('line 3, column 3 (temperature)')
      .and.to.contain('"20;255"')
      .and.to.contain('1 of 2 lines')
      .and.to.contain('--skip')
  })

  it('with more decimals than a firmware holds goes as JSON, with all of them', async () => {
    const lines = Array.from({ length: 300 }, (_, line) => `${1795416369100 + line},a,${(20 + line / 7).toFixed(8)}\n`)
    const { way, path } = await prepareFile(write(`time,device,temperature\n${lines.join('')}`), directory, plain)
    expect(way).to.have.property('tag', 'json')
    expect(way).to.have.property('why').that.contains('"20.14285714"').and.contains('2 decimals')
    expect(execFileSync('cat', [path], { encoding: 'utf8' })).to.contain(',a,20.14285714\n')
  })

  it('with a header only, no header, no device, or another number of columns is refused too', async () => {
    expect(await refusal('time,device,temperature\n')).to.contain('expected lines after the header, got none')
    expect(await refusal('')).to.contain('expected a header line')
    expect(await refusal('time,device,temperature\n1795416369100,a,\n')).to.contain('expected a value in some line')
    expect(await refusal('time,device,colour\n1795416369100,a,3\n')).to.contain('colour')
    expect(await refusal('time,device,temperature\n1795416369100,a/b,3\n'))
      .to.contain('column 2 (device)')
      .and.to.contain('a/b')
    expect(await refusal('time,device,temperature\n1795416369100,a,3,4\n')).to.contain('expected 3 fields as in the header, got 4')
    expect(await refusal('time,device,temperature\n999999999999999999,a,3\n')).to.contain('column 1 (time)')
    expect(await refusal('time,device,temperature,temperature\n1795416369100,a,3,4\n')).to.contain('temperature is two columns')
  })

  it('shows no control characters of the file', async () => {
    const told = await refusal('time,device,temperature\n1795416369100,a,\u001b[31m5\u009b2J\n')
    expect(told).to.contain('u001b[31m5').and.not.to.contain('\u001b').and.not.to.contain('\u009b')
  })

  it('is sent by another firmware that can hold it, and not by the smallest', async () => {
    const path = write('time,device,temperature\n1795416369100,a,20.0625\n')
    expect((await prepareFile(path, directory, plain)).way).to.have.nested.property('firmware.id', 'hive-2')
  })

  it('is rounded on demand, and what is sent is what is compared', async () => {
    const path = write('time,device,temperature,humidity\n2021-06-19 00:04:58+00:00,a,20.255,\n1795416369100,a,-0.004,55\n')
    const { path: rounded, way } = await prepareFile(path, directory, { ...plain, round: true })
    expect(way).to.have.nested.property('firmware.id', 'hive-1')
    expect(execFileSync('cat', [rounded], { encoding: 'utf8' })).to.equal(
      'time,device,temperature,humidity\n1624061098000,a,20.26,\n1795416369100,a,0,55\n',
    )
  })
})
