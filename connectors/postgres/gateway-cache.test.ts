import { expect } from 'chai'
import { GatewayCache } from './gateway-cache.ts'

describe('the cache of gateways', () => {
  it('says who may speak for whom, by name and by pattern', () => {
    const gateways = new GatewayCache()
    gateways.replaceAll(
      new Map([
        ['gw', ['silo-*', 'barn']],
        ['other', ['x']],
      ]),
    )
    expect(gateways.speaksFor('gw', 'silo-3')).to.equal(true)
    expect(gateways.speaksFor('gw', 'barn')).to.equal(true)
    expect(gateways.speaksFor('gw', 'barn-2')).to.equal(false)
    expect(gateways.speaksFor('other', 'barn')).to.equal(false)
    expect(gateways.speaksFor('nobody', 'barn')).to.equal(false)
  })

  it('forgets a gateway whose rules are gone', () => {
    const gateways = new GatewayCache()
    gateways.replaceAll(new Map([['gw', ['a']]]))
    gateways.replace(['gw', 'new'], new Map([['new', ['b']]]))
    expect([gateways.speaksFor('gw', 'a'), gateways.speaksFor('new', 'b')]).to.deep.equal([false, true])
  })

  it('collects what notifications name until it is taken, also a gateway that is named like a list or an asterisk', () => {
    const gateways = new GatewayCache()
    for (const payload of ['=a,b', '=*', '==', '=a,b']) gateways.notified(payload)
    expect(gateways.takeStale()).to.deep.equal({ tag: 'gateways', gateways: ['a,b', '*', '='] })
    expect(gateways.takeStale()).to.deep.equal({ tag: 'nothing' })
    gateways.notified('*')
    expect(gateways.takeStale()).to.deep.equal({ tag: 'everything' })
  })

  it('answers for 1,306 foreign devices of a gateway that has 20,000 rules and a hundred patterns', () => {
    const gateways = new GatewayCache()
    const rules = Array.from({ length: 20_000 }, (_, index) => `tag-${index}`)
    const patterns = Array.from({ length: 100 }, (_, index) => `site-${index}-*-end`)
    gateways.replaceAll(new Map([['gw', [...rules, ...patterns]]]))
    for (let index = 0; index < 1306; index++) expect(gateways.speaksFor('gw', `foreign-${index}`)).to.equal(false)
    expect(gateways.speaksFor('gw', 'tag-19999')).to.equal(true)
  })
})
