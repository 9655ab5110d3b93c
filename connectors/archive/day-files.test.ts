import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect } from 'chai'
import type { DayManifest } from '../../processors/store/archive-manifest.ts'
import { localBucket } from '../../test/pipeline/local-bucket.ts'
import { bucketPlace } from './bucket-place.ts'
import { describeFile, dropPrevious, keepPrevious, putDay, readDayFile, readManifest, removeDay, restorePrevious } from './day-files.ts'
import { directoryPlace } from './directory-place.ts'
import type { ArchivePlace } from './place.ts'

const DAY = '2026-11-23'

function placed(where: string, open: () => Promise<{ place: ArchivePlace } & AsyncDisposable>): void {
  describe(`the files of a day in ${where}`, () => {
    let opened: { place: ArchivePlace } & AsyncDisposable
    let place: ArchivePlace

    beforeEach(async () => {
      opened = await open()
      place = opened.place
    })
    afterEach(async () => {
      await place[Symbol.asyncDispose]()
      await opened[Symbol.asyncDispose]()
    })

    async function put(content: string, generation: number): Promise<DayManifest> {
      const path = join(place.work, 'x')
      await writeFile(path, content)
      const manifest: DayManifest = {
        day: DAY,
        generation,
        writtenAt: '2026-12-01T00:00:00.000Z',
        file: await describeFile(path),
        columns: [
          { name: 'ts', kind: 'timestamp', unit: null },
          { name: 'temperature', kind: 'double', unit: 'Cel' },
        ],
        figures: {
          rows: 3,
          firstMicros: 1,
          lastMicros: 2,
          columns: new Map([
            ['ts', { values: 3, sum: '0', magnitude: 0 }],
            ['temperature', { values: 2, sum: 1.5, magnitude: 2.5 }],
          ]),
        },
        late: { merged: 1, repeated: 2, conflicts: 3 },
      }
      await putDay(place, manifest, path)
      return manifest
    }
    const content = async (): Promise<string> => readFile((await readDayFile(place, DAY)) ?? '', 'utf8')
    const files = async (): Promise<readonly string[]> => {
      const names = ['readings.parquet', 'manifest.json'].flatMap((name) => [name, `${name}.previous`])
      const found = await Promise.all(names.map((name) => place.getText(`date=${DAY}/${name}`)))
      return names.filter((_, index) => found[index] !== undefined)
    }

    it('come with a manifest that says what they hold', async () => {
      expect([await readManifest(place, DAY), await readDayFile(place, DAY)]).to.deep.equal([undefined, undefined])
      const manifest = await put('one', 1)
      expect(await readManifest(place, DAY)).to.deep.equal(manifest)
      expect(manifest.file.sha256).to.equal('7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed')
      expect(await files()).to.deep.equal(['readings.parquet', 'manifest.json'])
    })

    it('can be put back, at any step and twice, until the previous ones are dropped', async () => {
      const first = await put('one', 1)
      await keepPrevious(place, DAY)
      await restorePrevious(place, DAY)
      expect(await content()).to.equal('one')
      await keepPrevious(place, DAY)
      await put('two', 2)
      expect(await content()).to.equal('two')
      await restorePrevious(place, DAY)
      await restorePrevious(place, DAY)
      expect([await content(), await readManifest(place, DAY)]).to.deep.equal(['one', first])
      await keepPrevious(place, DAY)
      await put('two', 2)
      await dropPrevious(place, DAY)
      await restorePrevious(place, DAY)
      expect([await content(), (await readManifest(place, DAY))?.generation]).to.deep.equal(['two', 2])
      await removeDay(place, DAY)
      await removeDay(place, DAY)
      expect(await files()).to.deep.equal([])
    })

    it('are prepared where what a killed run left is removed', async () => {
      const left = join(dirname(place.work), where === 'a bucket' ? 'millrace-bucket-999999999-x' : '999999999-x')
      await mkdir(left)
      await place.tidy()
      const names = await readdir(dirname(place.work))
      expect([names.includes(basename(left)), names.includes(basename(place.work))]).to.deep.equal([false, true])
    })

    it('are refused if their manifest is not one, or of a later version', async () => {
      for (const [text, message] of [
        ['{', 'expected JSON'],
        ['{"millrace_archive": 2}', 'expected a manifest of version 1, found 2'],
        ['{"millrace_archive": 1, "table": "readings"}', 'files: expected one file'],
      ] as const) {
        await place.putText(`date=${DAY}/manifest.json`, text)
        const error: unknown = await readManifest(place, DAY).catch((thrown: unknown) => thrown)
        expect(error).to.have.property('message', `${place.location}/date=${DAY}/manifest.json: ${message}`)
      }
    })
  })
}

placed('a directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'millrace-archive-'))
  const place = await directoryPlace(join(root, 'made/by it'))
  return {
    place,
    async [Symbol.asyncDispose]() {
      expect(await readdir(join(place.location, '.millrace-work')), 'nothing is left').to.deep.equal([])
      await rm(root, { recursive: true })
    },
  }
})

placed('a bucket', async () => {
  const bucket = await localBucket()
  return { place: await bucketPlace(bucket.location, bucket.env), [Symbol.asyncDispose]: () => bucket[Symbol.asyncDispose]() }
})
