import { expect } from 'chai'
import { compareItems, type ItemDifferences } from './compare.ts'
import { type Item, readingItems, recordItems } from './items.ts'

type Values = Readonly<Record<string, unknown>>

function readings(...samples: readonly Values[]): readonly Item[] {
  return readingItems({ device_id: 'hive', firmware: 'hive-1', boot: 1, seq: 2, dropped: 0, samples })
}

const alerts = (...values: readonly Values[]): readonly Item[] => values.flatMap(recordItems)

function told({ same, changed, fields, added, gone }: ItemDifferences): unknown {
  return {
    same,
    changed,
    fields: fields.map(({ item, field, deployed, working }) => `${item.ts} ${field} ${deployed} ${working}`),
    added: added.map(({ ts }) => ts),
    gone: gone.map(({ ts }) => ts),
  }
}

describe('the comparison of a shadow run', () => {
  it('names the fields of a sample that differ, with both values', () => {
    const working = readings({ ts: 1, temperature: 20, site_id: 7 }, { ts: 2, temperature: 21, site_id: 7 })
    const deployed = readings({ ts: 1, temperature: 200, site_id: null }, { ts: 2, temperature: 21, site_id: 7 })
    expect(told(compareItems(working, deployed, true))).to.deep.equal({
      same: 1,
      changed: 1,
      fields: ['1 temperature 200 20', '1 site_id null 7'],
      added: [],
      gone: [],
    })
  })

  it('finds samples that only one side has, however they were split into records', () => {
    const working = readings({ ts: 1, temperature: 1 }, { ts: 2, temperature: 2 }, { ts: 3, temperature: 3 })
    const deployed = [...readings({ ts: 1, temperature: 1 }), ...readings({ ts: 3, temperature: 3 }, { ts: 4, temperature: 4 })]
    expect(told(compareItems(working, deployed, true))).to.deep.equal({ same: 2, changed: 0, fields: [], added: [2], gone: [4] })
  })

  it('takes a quantity that a redrive added later for a part of its sample', () => {
    const working = readings({ ts: 1, temperature: 25, humidity: 50 })
    const deployed = [...readings({ ts: 1, temperature: null, humidity: 50 }), ...readings({ ts: 1, temperature: 25, humidity: null })]
    expect(told(compareItems(working, deployed, true))).to.deep.equal({ same: 1, changed: 0, fields: [], added: [], gone: [] })
  })

  it('lets a sample that was written twice be what it was written as last', () => {
    const twice = [...readings({ ts: 1, temperature: 200 }), ...readings({ ts: 1, temperature: 20 })]
    expect(told(compareItems(readings({ ts: 1, temperature: 20 }), twice, true))).to.deep.include({ same: 1, gone: [] })
    expect(told(compareItems(readings({ ts: 1, temperature: 21 }), twice, true))).to.deep.include({ fields: ['1 temperature 20 21'] })
  })

  it('pairs samples of one time in their order', () => {
    const working = readings({ ts: 1, temperature: 1 }, { ts: 1, temperature: 2 })
    expect(told(compareItems(working, readings({ ts: 1, temperature: 1 }, { ts: 1, temperature: 3 }), true))).to.deep.include({
      same: 1,
      fields: ['1 temperature 3 2'],
    })
  })

  it('takes a field that a schema lacks for one without a value', () => {
    expect(told(compareItems(alerts({ level: 1, note: null }), alerts({ level: 1 }), false))).to.deep.include({ same: 1, fields: [] })
    expect(told(compareItems(alerts({ level: 1 }), alerts({ level: 1, old: 'x' }), false))).to.deep.include({
      fields: ['null old x null'],
    })
  })

  it('does not merge records of other topics: one more of them is one more', () => {
    const [one, other] = [
      { device_id: 'hive', ts: 1, rule: 'frost' },
      { device_id: 'hive', ts: 1, rule: 'heat' },
    ]
    expect(told(compareItems(alerts(one), alerts(one, other), false))).to.deep.equal({
      same: 1,
      changed: 0,
      fields: [],
      added: [],
      gone: [1],
    })
  })

  it('compares records in records, lists and bytes', () => {
    const of = (place: Values, list: readonly number[], bytes: string): readonly Item[] =>
      alerts({ place, list, bytes: Buffer.from(bytes) })
    expect(told(compareItems(of({ x: 1, y: 2 }, [1], 'a'), of({ x: 1, y: 3 }, [1, 2], 'b'), false))).to.deep.include({
      fields: ['null place.y 3 2', 'null list [1,2] [1]', 'null bytes 62 61'],
    })
  })
})
