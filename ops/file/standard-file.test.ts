import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { FileError, type FileOptions, type StandardFile, standardFile } from './standard-file.ts'

const plain: FileOptions = {
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
}

describe('a file in standard form', () => {
  let directory: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-standard-'))
  })
  after(() => rmSync(directory, { recursive: true }))

  const read = (text: string | Buffer, options: Partial<FileOptions> = {}): Promise<StandardFile> => {
    const path = join(directory, 'file.csv')
    writeFileSync(path, text)
    return standardFile({
      path,
      to: join(directory, 'out.csv'),
      options: { ...plain, ...options },
      oldest: Date.UTC(2016) * 1000,
      newest: Date.UTC(2027) * 1000,
      span: 'of the last ten years',
    })
  }
  const lines = async (text: string | Buffer, options: Partial<FileOptions> = {}): Promise<readonly string[]> => {
    await read(text, options)
    return readFileSync(join(directory, 'out.csv'), 'utf8').trimEnd().split('\n').slice(1)
  }
  const refusal = (text: string | Buffer, options: Partial<FileOptions> = {}): Promise<string> =>
    read(text, options).then(
      () => 'it was taken',
      (cause: unknown) => {
        expect(cause).to.be.instanceOf(FileError)
        return String(cause)
      },
    )

  it('has UTC, standard units, and every decimal', async () => {
    expect(await lines('time,device,temperature\n2021-06-19 02:04:58.123456+02:00,a,23.12345678\n')).to.deep.equal([
      '2021-06-19T00:04:58.123456Z,a,23.12345678',
    ])
    expect(
      await lines('When;T\n19.06.2021 14:04;93,2\n', { map: ['time=When,temperature=T[degF]'], device: 'a', zone: 'Europe/Vienna' }),
    ).to.deep.equal(['2021-06-19T12:04:00Z,a,34'])
  })

  it('takes what spreadsheets write: a byte order mark, UTF-16, Windows-1252, CRLF, quoted fields, a separator at the end', async () => {
    const text = 'time\tdevice\tTemp. °C\r\n2021-06-19T00:00:00Z\t"a"\t"1.5"\t\r\n'
    const map = { map: ['temperature=Temp. °C'] }
    const expected = ['2021-06-19T00:00:00Z,a,1.5']
    expect(await lines(`\ufeff${text}`, map)).to.deep.equal(expected)
    expect(await lines(Buffer.from(`\ufeff${text}`, 'utf16le'), map)).to.deep.equal(expected)
    expect(await lines(Buffer.from(text, 'latin1'), map)).to.deep.equal(expected)
  })

  it('takes what several programs have written to: lines that end in one way or another, `sep=`, lines before the header', async () => {
    const line = '2021-06-19T00:00:00Z,a,1'
    expect(await lines(`time,device,power\r\n${line}\n${line}\r\n`)).to.deep.equal([line, line])
    expect(await lines(`sep=;\r\ntime;device;power\r\n${line.replaceAll(',', ';')}\r\n`)).to.deep.equal([line])
    expect(await lines(`# logger 5\n# (serial, 7)\ntime,device,power\n${line}\n`, { fromLine: 3 })).to.deep.equal([line])
    expect(await refusal(`# logger 5\ntime,device,power\n${line}x\n`, { fromLine: 2 })).to.contain('line 3, column 3')
  })

  it('joins date and time of day, and needs no header', async () => {
    expect(
      await lines('19/06/2021,14:04,7,1\n', { map: ['time=#1+#2', 'device=#3,power=#4[kW]'], header: false, zone: 'UTC' }),
    ).to.deep.equal(['2021-06-19T14:04:00Z,7,1000'])
  })

  it('leaves out lines without a value, and counts them', async () => {
    const file = await read(
      'time,device,temperature\n2021-06-19T00:00:00Z,a,NA\n2021-06-19T00:00:01Z,a,1\n2021-06-19T00:00:02Z,a,-9999.0\n',
      {
        missing: ['-9999'],
      },
    )
    expect(file).to.include({ lines: 1, empty: 2 })
  })

  it('takes the second pass of the hour that comes twice for the later one', async () => {
    const text =
      'time,device,power\n2026-10-25 01:59,a,1\n2026-10-25 02:30,a,2\n2026-10-25 02:30,b,3\n2026-10-25 02:15,a,4\n2026-10-25 03:00,a,5\n'
    expect((await lines(text, { zone: 'Europe/Vienna' })).map((line) => line.slice(11, 16))).to.deep.equal([
      '23:59',
      '00:30',
      '00:30',
      '01:15',
      '02:00',
    ])
  })

  it('is not made of a file with a bad line, and names line, column, value and what was expected', async () => {
    const bad: readonly (readonly [line: string, told: string])[] = [
      ['yesterday,a,1', 'line 3, column 1 (time): expected a time as iso8601, got "yesterday"'],
      ['2021-06-19 00:00,a,1', 'line 3, column 1 (time): expected a time with an offset, or --zone'],
      ['1999-06-19T00:00:00Z,a,1', 'line 3, column 1 (time): expected a time of the last ten years, got "1999-06-19T00:00:00Z"'],
      ['2021-06-19T00:00:00Z,hive 3,1', 'line 3, column 2 (device): expected 1 to 64 of'],
      ['2021-06-19T00:00:00Z,,1', 'line 3, column 2 (device): expected 1 to 64 of'],
      ['2021-06-19T00:00:00Z,a,\u001b[31mhot', 'line 3, column 3 (temperature): expected a number, got "\\u001b[31mhot"'],
      ['2021-06-19T00:00:00Z,a', 'line 3, expected 3 fields as in the header, got 2'],
      ['2021-06-19T00:00:00Z,a,1,2', 'line 3, expected 3 fields as in the header, got 4'],
      ['2021-06-19T00:00:00Z,a,"1', 'expected a closing quote'],
      ['2021-06-19T00:00:00Z,a,"1"2', 'line 3'],
    ]
    for (const [line, told] of bad)
      expect(await refusal(`time,device,temperature\n2021-06-19T00:00:00Z,a,1\n${line}\n`), line).to.contain(told)
  })

  it('is made of the other lines if the user says so, and the bad ones are counted by reason', async () => {
    const file = await read(
      'time,device,temperature\n2021-06-19T00:00:00Z,a,1\nnever,a,1\n2021-06-19T00:00:01Z,a,x\n2021-06-19T00:00:02Z,a,y\n',
      { skip: true },
    )
    expect(file.lines).to.equal(1)
    expect([...file.rejected]).to.deep.equal([
      ['no time that can be read', 1],
      ['a value that is no number', 2],
    ])
    expect(file.examples[0]).to.equal('line 3, column 1 (time): expected a time as iso8601, got "never"')
  })

  it('is not guessed where nobody can know', async () => {
    expect(await refusal('time,device,power\n01/02/2021 10:00,a,1\n', { zone: 'UTC' }))
      .to.contain('--time-format')
      .and.to.contain('MM/DD/YYYY')
    expect(await refusal('time;device;power\n2021-06-19T00:00:00Z;a;1,234\n')).to.contain('--decimal')
    expect(await refusal('time,device,power\nMonday,a,1\n')).to.contain('line 2, column 1 (time): expected a time, got "Monday"')
    expect(await refusal('time,device,power\n2021-06-19 00:00,a,1\n', { zone: 'Middle/Earth' })).to.contain('"Middle/Earth"')
  })

  it('is not made of what is no CSV', async () => {
    expect(await refusal('')).to.contain('empty file')
    expect(await refusal('time,device,power\n')).to.contain('expected lines after the header')
    expect(await refusal(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0xff, 3, 0x4b, 0x0a, 0]))).to.contain('expected')
    expect(await refusal(`time,device,power\n"${'x'.repeat(200_000)}`)).to.contain('closing quote')
    expect(await refusal('<!doctype html>\n<html>not found</html>\n')).to.contain('expected')
  })
})
