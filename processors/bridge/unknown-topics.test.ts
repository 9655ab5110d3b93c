import { expect } from 'chai'
import fc from 'fast-check'
import { UnknownTopics } from './unknown-topics.ts'

const message = (topic: string, payload = '{"a":1}', receivedMs = 1, retain = false) => ({
  topic,
  payload: Buffer.from(payload),
  receivedMs,
  retain,
})

describe('unknown topics', () => {
  it('are counted, each with its last payload, first and last time', () => {
    const topics = new UnknownTopics()
    topics.note(message('tele/a/STATE', '1', 5, true))
    topics.note(message('tele/a/STATE', '22', 7))
    topics.note(message('tele/a/STATE', '', 9))
    topics.note(message('tele/a', 'x', 9))
    expect(topics.list()).to.deep.equal([
      {
        topic: 'tele/a/STATE',
        example: 'tele/a/STATE',
        payload: Buffer.from('22'),
        payloadBytes: 2,
        messages: 3,
        retained: 1,
        empty: 1,
        firstMs: 5,
        lastMs: 9,
      },
      {
        topic: 'tele/a',
        example: 'tele/a',
        payload: Buffer.from('x'),
        payloadBytes: 1,
        messages: 1,
        retained: 0,
        empty: 0,
        firstMs: 9,
        lastMs: 9,
      },
    ])
  })

  it('are grouped at the level that changes', () => {
    const topics = new UnknownTopics()
    for (let index = 0; index < 200; index++) {
      topics.note(message(`tele/plug-${index}/SENSOR`))
      topics.note(message(`tele/plug-${index}/STATE`))
      topics.note(message('homeassistant/status'))
    }
    expect(topics.list().map(({ topic, messages }) => [topic, messages])).to.deep.equal([
      ['homeassistant/status', 200],
      ['tele/+/SENSOR', 200],
      ['tele/+/STATE', 200],
    ])
    expect(topics.list()[1]?.example).to.equal('tele/plug-199/SENSOR')
  })

  it('take bounded memory, and count every message, whatever a stranger makes up', () => {
    const name = fc.oneof(fc.constantFrom('a', 'b', '', '+', '#', '__proto__'), fc.string({ maxLength: 3 }))
    fc.assert(
      fc.property(fc.array(fc.array(name, { minLength: 1, maxLength: 20 }), { maxLength: 200 }), (names) => {
        const topics = new UnknownTopics(20)
        for (const [index, levels] of names.entries()) topics.note(message(levels.join('/'), 'x', index))
        const found = topics.list()
        expect(found.reduce((sum, { messages }) => sum + messages, 0)).to.equal(names.length)
        expect(topics.messages).to.equal(names.length)
        expect(found).to.have.length(topics.size)
        expect(found.length).to.be.at.most(20 + 17)
      }),
      { numRuns: 300 },
    )
  })

  it('have at most the beginnings of long topics and payloads', () => {
    const topics = new UnknownTopics()
    topics.note(message('x'.repeat(60_000), 'y'.repeat(100_000)))
    topics.note(message('a/'.repeat(30_000)))
    for (const { topic, example, payload } of topics.list()) {
      expect(topic.length).to.be.below(2_000)
      expect(example.length).to.be.below(400)
      expect(payload.length).to.be.at.most(512)
    }
  })
})
