import { expect } from 'chai'
import { accepted, licencesOf } from './licences-document.ts'

describe('licences of what is delivered', () => {
  it('are accepted if they ask nothing of what uses them', () => {
    for (const licence of ['MIT', '(Apache-2.0 AND BSD-3-Clause)', 'GPL-3.0-only OR MIT']) expect(accepted(licence), licence).to.equal(true)
    for (const licence of [
      'GPL-3.0-only',
      'MIT AND LGPL-2.1-only',
      'UNLICENSED',
      'SEE LICENSE IN x',
      'AGPL-3.0-or-later',
      '(MIT OR (ISC AND GPL-2.0))',
    ])
      expect(accepted(licence), licence).to.equal(false)
  })

  it('are listed by licence, without what only develops with us', () => {
    const found = licencesOf({
      '': {},
      'node_modules/b': { version: '2.0.0', license: 'MIT' },
      'node_modules/x/node_modules/@a/a': { version: '1.0.0', license: 'MIT' },
      'node_modules/linter': { version: '1.0.0', license: 'GPL-3.0-only', dev: true },
    })
    expect([...found]).to.deep.equal([['MIT', ['@a/a@1.0.0', 'b@2.0.0']]])
  })

  it('fail with the name of each package whose licence is unknown or not accepted', () => {
    const packages = {
      'node_modules/none': { version: '1.0.0' },
      'node_modules/old': { version: '1.0.0', license: { type: 'MIT' } },
      'node_modules/copyleft': { version: '3.1.0', license: 'GPL-3.0-only' },
    }
    expect(() => licencesOf(packages)).to.throw(/none@1\.0\.0.*old@1\.0\.0.*copyleft@3\.1\.0: "GPL-3\.0-only"/)
  })
})
