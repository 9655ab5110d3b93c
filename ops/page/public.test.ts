import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { visible } from '../../processors/visible.ts'
import { projectRoot } from '../../schemas/files.ts'

const folder = `${projectRoot}ops/page/public`

describe('what a browser loads', () => {
  it('spells out the characters that a terminal is not shown, and keeps line ends', async () => {
    const { visible: shown } = (await import(`${folder}/visible.js`)) as { readonly visible: (text: string) => string }
    for (let code = 0; code <= 0x10ffff; code += code < 0x3000 || (code >= 0xd7f0 && code < 0x10010) || code > 0xe0000 ? 1 : 97)
      if (code !== 10) {
        const text = `a${String.fromCodePoint(code)}b`
        if (shown(text) !== visible(text)) expect(shown(text), code.toString(16)).to.equal(visible(text))
      }
    expect(shown('a\nb')).to.equal('a\nb')
  })

  it('asks nobody else for anything', () => {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((each) => /\.(?:js|css|html)$/.test(each))) {
      const text = readFileSync(`${folder}/${name}`, 'utf8').replaceAll('http://www.w3.org/2000/svg', '')
      expect(text, name).to.not.match(/https?:\/\/|url\(|@import\s+["']/)
    }
  })
})
