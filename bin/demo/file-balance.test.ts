import { expect } from 'chai'
import { complaints, type FileBalance, missing, renderBalance, repeats } from './file-balance.ts'

const hives: FileBalance = {
  lines: 80_236,
  sent: 80_236,
  keys: 66_097,
  rows: 66_097,
  wrong: 0,
  conflicts: 81,
  merged: 0,
  deadLetters: 0,
  deadKeys: 0,
}

describe('the balance of a file', () => {
  it('says what became of every line', () => {
    expect(renderBalance(hives)).to.equal('80,236 sent, 66,097 rows, 14,058 repeats, 81 in conflict, 0 dead letters, 0 missing')
    expect(renderBalance({ ...hives, conflicts: 0, merged: 5 })).to.equal(
      '80,236 sent, 66,097 rows, 5 merged into them, 14,134 repeats, 0 dead letters, 0 missing',
    )
    expect(complaints(hives)).to.deep.equal([])
  })

  it('takes a dead letter for an account of a line, and a key that is nowhere for a loss', () => {
    const some = { ...hives, rows: 66_000, deadLetters: 110, deadKeys: 90 }
    expect(missing(some)).to.equal(7)
    expect(complaints(some)).to.deep.equal(['7 keys of the file are neither in the table nor dead letters'])
    expect(complaints({ ...some, deadKeys: 97 })).to.deep.equal([])
  })

  it('does not take a value for right because its key is there', () => {
    expect(complaints({ ...hives, wrong: 2 })).to.deep.equal(['2 rows have values that no line of the file has for their key'])
  })

  it('notices lines that were not sent', () => {
    const fewer = { ...hives, sent: 80_000, keys: 66_000 }
    expect(repeats(fewer)).to.equal(13_919)
    expect(complaints(fewer)[0]).to.equal('the file has 80,236 lines, but 80,000 were sent and acknowledged')
  })
})
