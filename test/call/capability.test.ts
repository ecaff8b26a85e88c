import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, features, flagBits, withSchema, xmlText } from '../../src/index.js'

const has = (versions: Parameters<typeof capabilitiesOfVersions>[0]): ReadonlyArray<string> =>
  features.filter((feature) => capabilitiesOfVersions(versions).features.has(feature))

describe('capabilitiesOfVersions', () => {
  it('knows the limits of the wiki: QEMU 1.6 and libvirt 1.1.1', () => {
    expect(has({ qemu: '1.6', libvirt: '1.1.1' })).toStrictEqual([
      'qemu-block-commit',
      'qemu-block-stream',
      'libvirt-block-commit',
      'libvirt-block-pull',
      'libvirt-block-rebase',
      'libvirt-block-rebase-copy',
      'libvirt-external-snapshot',
      'libvirt-memory-snapshot',
      'libvirt-redefine',
      'libvirt-save',
    ])
  })

  it('compares versions as numbers, at the edge too', () => {
    expect(has({ qemu: '2.0.0' })).toContain('qemu-active-commit')
    expect(has({ qemu: '1.7.2' })).not.toContain('qemu-active-commit')
    expect(has({ qemu: '10.0.2' })).toContain('qemu-mask-protocol')
    expect(has({ libvirt: '3.10.0' })).toContain('libvirt-transient-job')
  })

  it('takes nothing from a version that it does not know or that is none', () => {
    expect(has({})).toStrictEqual([])
    expect(has({ qemu: 'v10-custom build' })).toStrictEqual([])
  })
})

describe('withSchema', () => {
  it('believes the schema where it can tell, and the version where it cannot', () => {
    const commands = new Map([['block-commit', new Set(['job-id', 'base-node', 'backing-mask-protocol'])]])
    const told = withSchema(capabilitiesOfVersions({ qemu: '7.2' }), { commands }).features
    expect(told.has('qemu-mask-protocol')).toBe(true)
    expect(told.has('qemu-active-commit')).toBe(true)
    expect(told.has('qemu-block-stream')).toBe(false)
  })
})

describe('flagBits', () => {
  it("gives the numbers of libvirt's headers", () => {
    expect(flagBits({ flags: [] })).toBe(0)
    expect(
      flagBits({
        flags: ['VIR_DOMAIN_BLOCK_REBASE_SHALLOW', 'VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT', 'VIR_DOMAIN_BLOCK_REBASE_COPY'],
      }),
    ).toBe(11)
    expect(
      flagBits({ flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA', 'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY'] }),
    ).toBe(20)
  })
})

describe('xmlText', () => {
  it('writes white space in values so that a reader gives it back', () => {
    const attributes = { file: '/a\n\t"b"<c>&' }
    expect(xmlText({ name: 'source', attributes, children: [] })).toBe(
      '<source file="/a&#10;&#9;&quot;b&quot;&lt;c&gt;&amp;"/>',
    )
  })
})
