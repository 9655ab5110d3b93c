import { expect } from 'chai'
import fc from 'fast-check'
import { blame, isNetworkError, isTooMuch } from './sqlstate.ts'

describe('blame by SQLSTATE', () => {
  it('is the database for lost connections, deadlocks, full disks, held locks and shutdowns', () => {
    for (const sqlState of ['08006', '40001', '40P01', '53100', '53200', '53300', '55P03', '57014', '57P01', '57P02', '57P03', '25P03']) {
      expect(blame(sqlState), sqlState).to.equal('database')
    }
  })

  it('is the database for its limits, a failover, an I/O error and errors within it', () => {
    for (const sqlState of ['53400', '54000', '54001', '25006', '58030', 'XX000', 'XX001', '72000', 'F0000', 'TS503'])
      expect(blame(sqlState), sqlState).to.equal('database')
  })

  it('is the row for data, constraints and whatever a trigger raises, codes of its own included', () => {
    for (const sqlState of [
      '22003',
      '22012',
      '22021',
      '23502',
      '23505',
      '23514',
      '23P01',
      '44000',
      'P0001',
      'P0002',
      'P0004',
      '38000',
      'ZZ001',
      '99999',
    ])
      expect(blame(sqlState), sqlState).to.equal('row')
  })

  it('is a defect for a COPY stream that is no binary COPY: one wrong encoder must not dead-letter every row', () => {
    for (const sqlState of ['22P03', '22P04']) expect(blame(sqlState), sqlState).to.equal('defect')
  })

  it('is a defect for a missing table, a missing right, a wrong password and what is no code of the server', () => {
    for (const sqlState of ['42P01', '42501', '28P01', '3D000', '25001', '0A000', 'EPIPE', 'unexpected', '', '2'])
      expect(blame(sqlState), sqlState).to.equal('defect')
  })

  it('is decided by the class for every code but the named exceptions', () => {
    const exceptions = new Set(['25P03', '25006', '22P03', '22P04'])
    const code = fc.stringMatching(/^[0-9A-DF-Z][0-9A-Z]{4}$/).filter((sqlState) => !exceptions.has(sqlState))
    fc.assert(fc.property(code, (sqlState) => blame(sqlState) === blame(`${sqlState.slice(0, 2)}000`)))
  })
})

describe('a batch that is too much for the database', () => {
  it('is tried in parts after a lack of memory or locks, a limit, or a statement that took too long; not on a full disk or a lost connection', () => {
    for (const sqlState of ['53200', '53400', '54000', '57014']) expect(isTooMuch(sqlState), sqlState).to.equal(true)
    for (const sqlState of ['53100', '53300', '08006', '57P01', '40001', '55P03', 'ETIMEDOUT', '54'])
      expect(isTooMuch(sqlState), sqlState).to.equal(false)
  })
})

describe('network errors', () => {
  it('are those of sockets and name lookup, and no others', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND']) expect(isNetworkError(code), code).to.equal(true)
    for (const code of ['ENOENT', 'ERR_INVALID_ARG_TYPE', '57P01', '']) expect(isNetworkError(code), code).to.equal(false)
  })
})
