import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { prepareFile } from '../../bin/demo/prepared-file.ts'
import { projectRoot } from '../../schemas/files.ts'
import { millrace } from '../pipeline/service.ts'

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
  const refusal = (lines: string): Promise<string> =>
    prepareFile(write(lines), directory, false).then(
      () => 'it was taken',
      (cause: unknown) => String(cause),
    )

  it('with too many decimals is refused at once, with the line, the column, the value and what the firmware holds', async () => {
    const path = write('time,device,temperature\n1795416369100,a,20.25\n1795416369101,a,20.255\n')
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
      .and.to.contain('"20.255"')
      .and.to.contain('2 decimals')
      .and.to.contain('1 of 2 lines')
      .and.to.contain('ROUND=1')
  })

  it('with a header only, no header, no device, or another number of columns is refused too', async () => {
    expect(await refusal('time,device,temperature\n')).to.contain('expected lines after the header, got none')
    expect(await refusal('')).to.contain('expected a header line')
    expect(await refusal('time,device,colour\n1795416369100,a,3\n')).to.contain('colour')
    expect(await refusal('time,device,temperature\n1795416369100,a/b,3\n'))
      .to.contain('column 2 (device)')
      .and.to.contain('a/b')
    expect(await refusal('time,device,temperature\n1795416369100,a,3,4\n')).to.contain('expected 3 as in the header, got "4"')
    expect(await refusal('time,device,temperature\n999999999999999999,a,3\n')).to.contain('column 1 (time)')
    expect(await refusal('time,device,temperature,temperature\n1795416369100,a,3,4\n')).to.contain('column 3 already')
  })

  it('shows no control characters of the file', async () => {
    const told = await refusal('time,device,temperature\n1795416369100,a,\u001b[31m5\u009b2J\n')
    expect(told).to.contain('\\x1B[31m5').and.not.to.contain('\u001b').and.not.to.contain('\u009b')
  })

  it('is sent by another firmware that can hold it, and not by the smallest', async () => {
    const path = write('time,device,temperature\n1795416369100,a,20.0625\n')
    expect((await prepareFile(path, directory, false)).firmware.id).to.equal('hive-2')
  })

  it('is rounded on demand, and what is sent is what is compared', async () => {
    const path = write('time,device,temperature,humidity\n2021-06-19 00:04:58+00:00,a,20.255,\n1795416369100,a,-0.004,55\n')
    const { path: rounded, firmware } = await prepareFile(path, directory, true)
    expect(firmware.id).to.equal('hive-1')
    expect(execFileSync('cat', [rounded], { encoding: 'utf8' })).to.equal(
      'time,device,temperature,humidity\n1624061098000,a,20.26,\n1795416369100,a,0,55\n',
    )
  })
})
