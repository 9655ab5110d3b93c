import { expect } from 'chai'
import { cpuWeight, unitFiles } from './units.ts'

const place = { program: '/usr/bin/millrace', user: 'millrace' }

function textOf(name: string, files = unitFiles([{ name: 'store' }, { name: 'alerts', niceness: 5 }], place)): string {
  return files.find((file) => file.name === name)?.text ?? ''
}

describe('units of systemd', () => {
  it('are one for each service, for watch and for the page, and a target that starts all but the page', () => {
    expect(unitFiles([{ name: 'store' }], place).map(({ name }) => name)).to.deep.equal([
      'millrace.target',
      'millrace-store.service',
      'millrace-watch.service',
      'millrace-ops.service',
    ])
    expect(textOf('millrace-store.service')).to.include('\nWantedBy=millrace.target\n').and.include('\nPartOf=millrace.target\n')
  })

  it('start the service, and count as started once it is healthy', () => {
    expect(textOf('millrace-store.service'))
      .to.include('\nExecStart=/usr/bin/millrace run store\n')
      .and.include('\nExecStartPost=-/usr/bin/millrace status --wait 30 store\n')
    expect(textOf('millrace-watch.service')).to.include('\nExecStart=/usr/bin/millrace watch\n').and.not.include('ExecStartPost')
  })

  it('weigh a service as its niceness does under the supervisor', () => {
    expect([0, 5, 10].map(cpuWeight)).to.deep.equal([100, 33, 11])
    expect(textOf('millrace-alerts.service')).to.include('\nCPUWeight=33\n')
  })

  it('name the configuration where the program does not know it, as systemd reads a command', () => {
    const files = unitFiles([{ name: 'store' }], { ...place, program: '/opt/100%/millrace', config: '/srv/my line.yaml' })
    expect(textOf('millrace-store.service', files)).to.include('\nExecStart=/opt/100%%/millrace run store --config "/srv/my line.yaml"\n')
  })

  it('do not forbid what V8 does: memory that is written and then executed', () => {
    expect(textOf('millrace-store.service')).not.to.include('MemoryDenyWriteExecute=yes')
  })
})
