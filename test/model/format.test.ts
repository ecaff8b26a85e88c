import { describe, expect, it } from 'vitest'

import { formats, isFormat, traitsOf } from '../../src/model/format.js'

describe('formats', () => {
  it("are known by QEMU's names and by nothing else", () => {
    expect(formats.length).toBe(13)
    for (const format of formats) expect(isFormat(format)).toBe(true)
    for (const name of ['', 'QCOW2', 'qcow3', '__proto__', 'constructor', 'toString'])
      expect(isFormat(name)).toBe(false)
  })

  it('only qcow2 and qed can change their backing file; some have one for ever; the rest can be a base or nothing', () => {
    const holding = (holds: string) => formats.filter((format) => traitsOf(format).holds === holds)
    expect(holding('overlay')).toEqual(['qcow2', 'qed'])
    expect(holding('fixed-overlay')).toEqual(['qcow', 'vmdk', 'parallels'])
    expect(holding('base')).toEqual(['raw', 'luks', 'vdi', 'vpc', 'vhdx', 'dmg', 'bochs', 'cloop'])
  })

  it('a base records nothing, an overlay can have holes, raw has none', () => {
    for (const format of formats) {
      const { holds, holes, records } = traitsOf(format)
      if (holds === 'base') expect(records, format).toBe('nothing')
      else expect(holes, format).toBe('possible')
    }
    expect(traitsOf('raw')).toEqual({ holds: 'base', holes: 'none', records: 'nothing', grows: 'yes', writes: 'yes' })
    expect(traitsOf('qcow2').records).toBe('format')
  })
})
