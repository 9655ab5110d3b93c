import { expect } from 'chai'
import { byLabel, parseMetrics, total } from './prometheus-text.ts'

const page = `# HELP millrace_inserted_rows_total Rows.
# TYPE millrace_inserted_rows_total counter
millrace_inserted_rows_total 66097

millrace_rejected_total{reason="unknown-device"} 3
millrace_rejected_total{reason="out-of-range",part="a \\"b\\"\\n"} 4 1700000000000
nodejs_version_info{version="v20.20.0",major="20"} 1
odd 1e3
limit +Inf
`

describe('a metrics page', () => {
  const samples = parseMetrics(page)

  it('gives each figure with its labels', () => {
    expect(samples).to.have.length(6)
    expect(samples[2]).to.deep.equal({
      name: 'millrace_rejected_total',
      labels: { reason: 'out-of-range', part: 'a "b"\n' },
      value: 4,
    })
  })

  it('sums over labels, and says undefined for what it does not have', () => {
    expect(total(samples, 'millrace_rejected_total')).to.equal(7)
    expect(total(samples, 'millrace_inserted_rows_total')).to.equal(66_097)
    expect(total(samples, 'odd')).to.equal(1000)
    expect(total(samples, 'limit')).to.equal(Number.POSITIVE_INFINITY)
    expect(total(samples, 'millrace_pubacks_total')).to.equal(undefined)
  })

  it('breaks a figure down by a label', () => {
    expect([...byLabel(samples, 'millrace_rejected_total', 'reason')]).to.deep.equal([
      ['unknown-device', 3],
      ['out-of-range', 4],
    ])
  })
})
