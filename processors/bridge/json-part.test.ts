import { expect } from 'chai'
import { partOfJson } from './json-part.ts'

describe('a part of a JSON message', () => {
  const message = '[{"ts":1,"power":1,"humidity":5},{"ts":2,"power":"x"},{"ts":3,"power":3}]'
  for (const [what, text, part, expected] of [
    ['all of it', message, { samples: [], quantities: [] }, message],
    ['samples', message, { samples: [1, 2], quantities: [] }, '[{"ts":2,"power":"x"},{"ts":3,"power":3}]'],
    ['quantities of a sample', message, { samples: [0], quantities: ['humidity'] }, '[{"ts":1,"humidity":5}]'],
    ['a quantity of the only sample', '\ufeff{"power":"x","humidity":5}', { samples: [0], quantities: ['power'] }, '[{"power":"x"}]'],
    ['what is no JSON', '{"power":', { samples: [0], quantities: [] }, '{"power":'],
    ['a name that is there twice', '{"power":1,"power":2}', { samples: [0], quantities: ['power'] }, '{"power":1,"power":2}'],
  ] as const) {
    it(`is the message of a dead letter about ${what}`, () => {
      expect(partOfJson(Buffer.from(text), part).toString()).to.equal(expected)
    })
  }
})
