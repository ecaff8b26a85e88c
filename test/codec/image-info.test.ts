import { describe, expect, test } from 'vitest'

import { decodeImageInfo } from '../../src/codec/index.js'
import type { ImageInfo } from '../../src/codec/index.js'
import { captured, capturedIn, left, right, versions } from './captured.js'

const infoOf = (version: string, scene: string): ImageInfo =>
  right(decodeImageInfo(captured(`${version}/info/${scene}.single.json`)))

describe.each(versions)('qemu-img info of QEMU %s', (version) => {
  test('every captured output is read', () => {
    const scenes = capturedIn(`${version}/info`, '.single.json')
    expect(scenes.length).toBeGreaterThan(20)
    for (const scene of scenes) expect(decodeImageInfo(captured(`${version}/info/${scene}`))._tag).toBe('Right')
  })

  test('text and what JSON.parse made of it are read alike', () => {
    const printed = captured(`${version}/info/bitmaps.single.json`)
    expect(decodeImageInfo(JSON.parse(printed))).toEqual(decodeImageInfo(printed))
  })

  test('a backing string is kept as stored, with what it leads to beside it', () => {
    expect(infoOf(version, 'relative-opened-by-absolute-path').backing).toEqual({
      header: 'snap2.qcow2',
      resolved: '/images/snap2.qcow2',
      format: 'qcow2',
    })
  })

  test('a format that the header does not record stays unknown', () => {
    expect(infoOf(version, 'no-backing-format').backing?.format).toBeUndefined()
    expect(infoOf(version, 'qed-overlay').backing?.format).toBeUndefined()
  })

  test('versions, data files, encryption, bitmaps, snapshots', () => {
    expect(infoOf(version, 'compat-0.10').version).toBe(2)
    expect(infoOf(version, 'data-file').dataFile?.layout).toBe('raw')
    expect(infoOf(version, 'encrypted').encryption).toBe('luks')
    expect(infoOf(version, 'internal-snapshots').internalSnapshots.length).toBeGreaterThan(0)
    expect(infoOf(version, 'bitmaps').bitmaps.map(({ state }) => state)).toEqual(
      expect.arrayContaining(['recording', 'disabled']),
    )
  })

  test('the storage is told since 8.0', () => {
    expect(infoOf(version, 'raw-base').storage).toBe(version === '7.2' ? undefined : 'file')
  })
})

describe('what is wrong is said, all of it at once', () => {
  const wrong = {
    filename: 7,
    format: 'qcow3',
    'virtual-size': 2 ** 63,
    'cluster-size': -0,
    'backing-filename': null,
    encrypted: 'yes',
    snapshots: [{ id: '1', name: 's', 'vm-state-size': 1.5 }, { id: 2 }],
    'format-specific': {
      type: 'qcow2',
      data: { compat: '2.0', bitmaps: [{ name: 'b', granularity: '64k', flags: ['auto', 'new'] }] },
    },
  }

  test('with its path, what was expected and what is there', () => {
    const error = left(decodeImageInfo(wrong))
    const problems = error._tag === 'ShapeWrong' ? error.problems : []
    const size = 'an integer from 0 to 9007199254740991'
    expect(problems.map(({ path, expected, actual }) => [path, expected, actual])).toEqual(
      expect.arrayContaining([
        ['$.filename', 'a string', '7'],
        ['$.virtual-size', size, '9223372036854776000'],
        ['$.cluster-size', size, '-0'],
        ['$.backing-filename', 'a string', 'null'],
        ['$.encrypted', 'true or false', '"yes"'],
        ['$.snapshots[0].vm-state-size', size, '1.5'],
        ['$.snapshots[1].id', 'a string', '2'],
        ['$.snapshots[1].name', 'a string', 'nothing'],
        ['$.format-specific.data.compat', 'one of "0.10", "1.1"', '"2.0"'],
        ['$.format-specific.data.bitmaps[0].granularity', size, '"64k"'],
        ['$.format-specific.data.bitmaps[0].flags[1]', 'one of "in-use", "auto"', '"new"'],
      ]),
    )
    expect(problems.find(({ path }) => path === '$.format')?.actual).toBe('"qcow3"')
    expect(problems).toHaveLength(12)
  })

  test('what other formats say under the same names is not read as qcow2', () => {
    const vmdk = {
      filename: 'a',
      format: 'vmdk',
      'virtual-size': 1,
      'format-specific': { type: 'vmdk', data: { compat: 9 } },
    }
    expect(decodeImageInfo(vmdk)._tag).toBe('Right')
  })

  test('a bitmap in use is inconsistent, dirty and corrupt are damage', () => {
    const info = right(
      decodeImageInfo({
        filename: 'a',
        format: 'qcow2',
        'virtual-size': 1,
        'dirty-flag': true,
        'format-specific': {
          type: 'qcow2',
          data: { corrupt: true, bitmaps: [{ name: 'b', granularity: 512, flags: ['in-use', 'auto'] }] },
        },
      }),
    )
    expect(info.damage).toEqual(['dirty', 'corrupt'])
    expect(info.bitmaps).toEqual([{ name: 'b', granularityBytes: 512, state: 'inconsistent' }])
  })

  test('no JSON at all', () => {
    for (const text of ['', '{', 'qemu-img: Could not open', "{'a': 1}"])
      expect(left(decodeImageInfo(text))).toMatchObject({ _tag: 'TextWrong', language: 'JSON' })
  })
})
