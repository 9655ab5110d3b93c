import { expect } from 'chai'
import { nodeProblem } from './node-version.ts'

describe('the version of Node.js', () => {
  it('is refused if it is too old, with what is needed', () => {
    for (const old of ['18.20.4', '20.18.3', '16.0.0', '']) expect(nodeProblem(old), old).to.include('20.19').and.include(`this is ${old}`)
    for (const good of ['20.19.0', '22.0.0', '24.11.1', '26.0.0-nightly']) expect(nodeProblem(good), good).to.equal(undefined)
  })
})
