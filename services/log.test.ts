import { expect } from 'chai'
import { createLog, type LogOutput, logSettings } from './log.ts'

describe('the log', () => {
  function output(isTTY: boolean): LogOutput & { readonly lines: string[] } {
    const lines: string[] = []
    return { isTTY, lines, write: (line) => void lines.push(line) }
  }

  it('is a line of JSON for each event, with fixed names; fields cannot take their place', () => {
    const to = output(false)
    createLog('store', { format: 'auto', level: 'info' }, to).warn('the database refused rows', { rows: 2, level: 'mine' })
    expect(to.lines).to.have.length(1)
    const { time, instance, ...rest } = JSON.parse(to.lines[0] ?? '') as { readonly time: string; readonly instance: string }
    expect(rest).to.deep.equal({
      level: 'warn',
      service: 'store',
      message: 'the database refused rows',
      fields: { rows: 2, level: 'mine' },
    })
    expect(new Date(time).toISOString()).to.equal(time)
    expect(instance).to.match(new RegExp(`^.+/${process.pid}$`))
    createLog('store', { format: 'auto', level: 'info' }, to).info('stopped')
    expect(JSON.parse(to.lines[1] ?? '')).to.not.have.property('fields')
  })

  it('is for people on a terminal, and wherever somebody wants it so', () => {
    const terminal = output(true)
    createLog('store', { format: 'auto', level: 'info' }, terminal).info('stopped', { pid: 7 })
    expect(terminal.lines[0]).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z info store: stopped \{"pid":7\}\n$/)
    const file = output(false)
    createLog('store', { format: 'pretty', level: 'info' }, file).error('stopped')
    expect(file.lines[0]).to.match(/Z error store: stopped\n$/)
    createLog('store', { format: 'json', level: 'info' }, terminal).info('stopped')
    expect(JSON.parse(terminal.lines[1] ?? '')).to.include({ message: 'stopped' })
  })

  it('leaves out what is below its level', () => {
    const to = output(false)
    const log = createLog('store', { format: 'json', level: 'warn' }, to)
    log.info('a')
    log.warn('b')
    log.error('c')
    expect(to.lines.map((line) => (JSON.parse(line) as { message: string }).message)).to.deep.equal(['b', 'c'])
  })

  it('is one line, and nothing that a terminal obeys, whatever a stranger wrote; JSON has what was written', () => {
    for (const format of ['json', 'pretty'] as const) {
      const to = output(false)
      createLog('bridge', { format, level: 'info' }, to).info('a topic', { topic: 'x\n\u001b[31m\u202e' })
      for (const mark of ['\n', '\u001b', '\u202e']) expect(to.lines.join('').slice(0, -1)).to.not.include(mark)
      if (format === 'json')
        expect((JSON.parse(to.lines[0] ?? '') as { fields: object }).fields).to.deep.equal({ topic: 'x\n\u001b[31m\u202e' })
    }
  })

  it('goes by the environment before the configuration', () => {
    const configured = { format: 'pretty', level: 'error' } as const
    expect(logSettings({}, configured)).to.deep.equal(configured)
    expect(logSettings({ MILLRACE_LOG_FORMAT: 'json', MILLRACE_LOG_LEVEL: 'info' }, configured)).to.deep.equal({
      format: 'json',
      level: 'info',
    })
    expect(logSettings({ MILLRACE_LOG_LEVEL: 'shout' })).to.deep.equal({ format: 'auto', level: 'info' })
  })
})
