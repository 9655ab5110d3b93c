import { expect } from 'chai'
import { BootsInMemory } from './boots-in-memory.ts'
import { BOOTS_IN_MEMORY } from './limits.ts'

const free = (): boolean => false

describe('the boots in memory', () => {
  const known = (boots: number): BootsInMemory => {
    const memory = new BootsInMemory()
    memory.device('a').known = true
    for (let boot = 0; boot < boots; boot++) memory.install('a', boot, boot)
    return memory
  }
  const numbers = (memory: BootsInMemory): readonly number[] => [...memory.states(true)].map(({ boot }) => boot)

  it('are taken once', () => {
    const memory = known(1)
    const boot = memory.find('a', 0)
    expect(memory.install('a', 0, 7)).to.equal(boot)
    expect([memory.size, boot?.touched]).to.deep.equal([1, 0])
  })

  it('are forgotten if they were not touched since a round, unless they are to be written', () => {
    const memory = known(5)
    memory.install('a', 1, 1).changed = true
    memory.forget(3, free)
    expect(numbers(memory)).to.deep.equal([1, 3, 4])
    expect(memory.size).to.equal(3)
  })

  it('are forgotten but for the newest of a device that has many', () => {
    const memory = known(BOOTS_IN_MEMORY + 3)
    memory.install('a', 1, 0).changed = true
    memory.forget(0, free)
    expect(numbers(memory)).to.deep.equal([1, ...Array.from({ length: BOOTS_IN_MEMORY - 1 }, (_, index) => index + 4)])
  })

  it('are all forgotten of a name that is no device, and with them the name unless it is needed', () => {
    const memory = new BootsInMemory()
    for (const name of ['x', 'y']) memory.install(name, 1, 0)
    const [x, y] = ['x', 'y'].map((name) => memory.device(name))
    memory.forget(0, ({ name }) => name === 'x')
    expect(memory.size).to.equal(0)
    expect(memory.device('x')).to.equal(x)
    expect(memory.device('y')).not.to.equal(y)
  })

  it('are not among the rows if they are folded', () => {
    const memory = known(1)
    memory.install('a', 9, 0, 'folded')
    expect(memory.size).to.equal(2)
    expect(numbers(memory)).to.deep.equal([0])
  })
})
