import { expect } from 'chai'
import { type Choice, chooseServer, type ServerState } from './server-choice.ts'
import type { Target } from './servers.ts'

let started = 0
const primary = (timeline = 1, readOnly = false): ServerState => ({ standby: false, readOnly, timeline, startedAt: `${started++}` })
const standby = (): ServerState => ({ standby: true, readOnly: true, timeline: null, startedAt: `${started++}` })
const indexOf = (choice: Choice): number | undefined => (choice.tag === 'server' ? choice.index : undefined)
const taken = (target: Target, ...states: readonly (ServerState | undefined)[]): number | undefined =>
  indexOf(chooseServer(target, states, 0))
const refused = (choice: Choice): readonly (string | undefined)[] => (choice.tag === 'none' ? choice.reasons : [])

describe('the choice of a server', () => {
  it('is the first that is as asked, wherever it is in the address', () => {
    expect(taken('read-write', standby(), primary())).to.equal(1)
    expect(taken('primary', undefined, primary())).to.equal(1)
    expect(taken('any', standby(), primary())).to.equal(0)
    expect(taken('any', undefined, primary())).to.equal(1)
    expect(taken('standby', primary(), standby())).to.equal(1)
    expect(taken('read-only', primary(), primary(1, true))).to.equal(1)
    expect(taken('prefer-standby', primary(), standby())).to.equal(1)
    expect(taken('prefer-standby', undefined, primary())).to.equal(1)
  })

  it('is none while no server is as asked, and says why', () => {
    expect(refused(chooseServer('read-write', [standby(), undefined, primary(1, true)], 0))).to.deep.equal([
      'is a standby',
      undefined,
      'is read-only for this user',
    ])
    expect(taken('primary', primary(1, true))).to.equal(0)
    expect(taken('standby', primary())).to.equal(undefined)
    for (const target of ['any', 'read-write', 'prefer-standby'] as const) expect(taken(target, undefined, undefined)).to.equal(undefined)
  })

  it('is the promoted server, not an old primary that came back and is writable too', () => {
    expect(taken('read-write', primary(1), primary(2))).to.equal(1)
    expect(taken('primary', primary(3), primary(2))).to.equal(0)
    // Alone, too, if this process has been with the promoted one.
    expect(refused(chooseServer('read-write', [primary(1), undefined], 2))).to.deep.equal([
      'is an old primary: its timeline is 1, and that of the newest is 2',
      undefined,
    ])
  })

  it('is none of two that were promoted beside each other, and is one server under two names', () => {
    expect(refused(chooseServer('read-write', [primary(2), primary(2), standby()], 0))).to.deep.equal([
      'is not the only one that is writable in timeline 2',
      'is not the only one that is writable in timeline 2',
      'is a standby',
    ])
    const one = primary(2)
    expect(taken('read-write', primary(1), one, one)).to.equal(1)
  })
})
