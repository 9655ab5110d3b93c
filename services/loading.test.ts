import { expect } from 'chai'
import { ConfigError } from './config.ts'
import { requireProcessors } from './loading.ts'

describe('processors by name', () => {
  it('are known: those that come with Millrace, and the ledger of frames', () => {
    expect(() => requireProcessors(['standardise', 'devices', 'continuity'])).to.not.throw()
  })

  it('are refused by name if there are none', () => {
    for (const name of ['nosuch', '../processors/standardise', 'constructor', '', 'bridge', 'store'])
      expect(() => requireProcessors(['standardise', name]), name).to.throw(ConfigError, `there is no processor "${name}": expected `)
  })
})
