import { expect } from 'chai'
import { BootsInMemory } from './boots-in-memory.ts'
import { Unwritten } from './unwritten.ts'

describe('what is to be written of the ledger', () => {
  const always = (): boolean => true
  const start = (): { readonly memory: BootsInMemory; readonly unwritten: Unwritten } => {
    const memory = new BootsInMemory()
    memory.device('a').known = true
    return { memory, unwritten: new Unwritten() }
  }

  it('is each change once, in the round in which it was made', () => {
    const { memory, unwritten } = start()
    const boot = memory.install('a', 1, 0)
    unwritten.touch(boot)
    unwritten.touch(boot)
    expect(unwritten.boots).to.equal(1)
    expect(unwritten.take(always).boots).to.deep.equal([boot])
    expect([unwritten.boots, boot.changed, boot.isNew]).to.deep.equal([0, false, false])
    expect(unwritten.take(always).boots).to.deep.equal([])
    unwritten.touch(boot)
    expect(boot.touched).to.equal(2)
    expect(unwritten.take(always).boots).to.deep.equal([boot])
  })

  it('is what was counted since the changes before', () => {
    const { memory, unwritten } = start()
    unwritten.countsOf(memory.device('a')).late += 2
    expect(unwritten.concerns(memory.device('a'))).to.equal(true)
    expect(unwritten.take(always).counts[0]).to.include({ device: 'a', late: 2 })
    expect(unwritten.concerns(memory.device('a'))).to.equal(false)
    unwritten.countsOf(memory.device('a')).late++
    expect(unwritten.take(always).counts[0]).to.include({ device: 'a', late: 1 })
  })

  it('says which devices have grown once their rows are written and their partition may fold', () => {
    const { memory, unwritten } = start()
    const device = memory.device('a')
    for (const boot of [1, 2]) unwritten.touch(memory.install('a', boot, 0))
    expect(unwritten.take(always).grown).to.deep.equal([])
    expect(unwritten.take(() => false).grown).to.deep.equal([])
    expect(unwritten.concerns(device)).to.equal(true)
    expect(unwritten.take(always).grown).to.deep.equal([{ device: 'a', keep: [1, 2] }])
    expect(unwritten.concerns(device)).to.equal(false)
  })

  it('is a name that became a device, with the boots that are written of it as a stranger', () => {
    const { memory, unwritten } = start()
    const boot = memory.install('x', 1, 0)
    unwritten.touch(boot)
    expect(unwritten.take(always)).to.deep.include({ boots: [], strangers: [boot], promoted: [] })
    unwritten.promote(memory.device('x'))
    unwritten.promote(memory.device('x'))
    expect(unwritten.take(always)).to.deep.include({ boots: [boot], strangers: [], promoted: ['x'] })
    unwritten.promote(memory.device('y'))
    unwritten.promote(memory.device('z'), true)
    expect(unwritten.take(always)).to.deep.include({ boots: [], promoted: ['z'] })
  })
})
