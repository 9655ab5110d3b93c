import { expect } from 'chai'
import { readSchema } from '../../schemas/files.ts'
import { layoutOf } from './layouts.ts'

interface Fields {
  readonly fields: readonly { readonly name: string; readonly type: unknown }[]
}
const readings = readSchema('readings').json as Fields

/** The schema of readings with other fields of a sample. */
function withSample(change: (fields: Fields['fields']) => readonly unknown[]): unknown {
  return {
    ...readings,
    fields: readings.fields.map((field) => {
      if (field.name !== 'samples') return field
      const { items } = field.type as { readonly items: Fields }
      return { ...field, type: { type: 'array', items: { ...items, fields: change(items.fields) } } }
    }),
  }
}

describe('the layout of a schema of readings', () => {
  it('is known for this version and those before it, which had fewer quantities', () => {
    expect(layoutOf(readings).tag).to.equal('known')
    expect(layoutOf(withSample((fields) => fields.slice(0, -3))).tag).to.equal('known')
  })

  it('is newer if there is a quantity, or anything else, that this version does not know, wherever it stands', () => {
    const soil = { name: 'bee_count', type: ['null', 'double'] }
    expect(layoutOf(withSample((fields) => [...fields, soil]))).to.deep.equal({ tag: 'newer', fields: ['bee_count'] })
    expect(layoutOf(withSample((fields) => [...fields.slice(0, 6), { name: 'quality', type: 'int' }, ...fields.slice(6)]))).to.deep.equal({
      tag: 'newer',
      fields: ['quality'],
    })
    expect(layoutOf({ ...readings, fields: [...readings.fields, { name: 'gateway', type: 'string' }] })).to.deep.equal({
      tag: 'newer',
      fields: ['gateway'],
    })
  })

  it('is invalid if it is no schema of readings at all', () => {
    for (const schema of [null, {}, { fields: [] }, { ...readings, fields: readings.fields.slice(1) }, withSample(() => [])])
      expect(layoutOf(schema).tag).to.equal('invalid')
  })
})
