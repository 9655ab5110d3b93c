import { expect } from 'chai'
import type { RememberedSchema } from '../../connectors/contract.ts'
import { lostSchemas } from './lost-schemas.ts'

const schema = (text: string, id = 1): RememberedSchema => ({ subject: 's', version: 1, id, text, fingerprint: 'f' })
const remembered = ['a', 'b', 'c'].map((text) => schema(text))

describe('what a registry lacks of a subject', () => {
  it('is all, in the order in which it was met, if the subject is gone', () => {
    expect(lostSchemas(remembered, [])).to.deep.equal({ tag: 'lost', schemas: remembered })
  })

  it('is what came after its newest, if it was restored from an older backup', () => {
    expect(lostSchemas(remembered, ['a'])).to.deep.equal({ tag: 'lost', schemas: remembered.slice(1) })
    expect(lostSchemas(remembered, ['b'])).to.deep.equal({ tag: 'lost', schemas: remembered.slice(2) })
  })

  it('is nothing if its newest is the last that was met, whatever was deleted before it', () => {
    expect(lostSchemas(remembered, ['a', 'b', 'c'])).to.deep.equal({ tag: 'nothing' })
    expect(lostSchemas(remembered, ['c'])).to.deep.equal({ tag: 'nothing' })
    expect(lostSchemas([], ['c'])).to.deep.equal({ tag: 'nothing' })
  })

  it('is not given back if its newest was never read here', () => {
    expect(lostSchemas(remembered, ['a', 'd'])).to.deep.equal({ tag: 'newer', lacking: 2 })
    expect(lostSchemas(remembered, ['a', 'b', 'c', 'd'])).to.deep.equal({ tag: 'nothing' })
  })

  it('has a schema once that a restored registry gave a second ID, where it was met last', () => {
    expect(lostSchemas([schema('a', 1), schema('b', 2), schema('a', 7)], [])).to.deep.equal({
      tag: 'lost',
      schemas: [schema('b', 2), schema('a', 7)],
    })
  })
})
