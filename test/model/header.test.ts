import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { combineHeader, composeHeaders, headerBytes, headerReaches, normalPath } from '../../src/model/header.js'

describe('combineHeader', () => {
  // `full-backing-filename` of qemu-img info 10.0.2, for an overlay opened as the first and storing the second.
  it.each([
    ['/tmp/hdr/vm/o.qcow2', 'base.qcow2', '/tmp/hdr/vm/base.qcow2'],
    ['/tmp/hdr/vm/o.qcow2', '../b/base.qcow2', '/tmp/hdr/vm/../b/base.qcow2'],
    ['/tmp/hdr/vm/o.qcow2', './base.qcow2', '/tmp/hdr/vm/./base.qcow2'],
    ['/tmp/hdr/vm/o.qcow2', '/tmp/hdr/b/base.qcow2', '/tmp/hdr/b/base.qcow2'],
    ['vm/o.qcow2', 'base.qcow2', 'vm/base.qcow2'],
    ['vm/../vm/o.qcow2', '../b/base.qcow2', 'vm/../vm/../b/base.qcow2'],
    ['o.qcow2', 'base.qcow2', 'base.qcow2'],
    ['/tmp/hdr/vm/o.qcow2', 'file:base.qcow2', 'file:base.qcow2'],
    ['/tmp/hdr/vm/o.qcow2', 'file:/tmp/hdr/vm/base.qcow2', 'file:/tmp/hdr/vm/base.qcow2'],
    ['/tmp/hdr/vm/o.qcow2', 'a:b.qcow2', 'a:b.qcow2'],
    ['/tmp/hdr/vm/o.qcow2', './a:b.qcow2', '/tmp/hdr/vm/./a:b.qcow2'],
    ['/tmp/hdr/vm/o.qcow2', 'nbd://host/export', 'nbd://host/export'],
    ['/tmp/hdr/vm/o.qcow2', 'json:{"driver":"qcow2"}', 'json:{"driver":"qcow2"}'],
  ])('%s storing %s reads %s, as QEMU says', (openedAs, header, full) =>
    expect(combineHeader(openedAs, header)).toBe(full),
  )

  // `path_combine` of QEMU's block.c, for protocols that need a server.
  it.each([
    ['nbd://host/dir/export', 'base', 'nbd://host/dir/base'],
    ['rbd:image', 'base', 'rbd:base'],
    ['rbd:pool/image', 'base', 'rbd:pool/base'],
  ])('%s storing %s reads %s', (openedAs, header, full) => expect(combineHeader(openedAs, header)).toBe(full))
})

describe('composeHeaders', () => {
  const segment = fc.constantFrom('a', 'b.qcow2', '..', '.', 'vm')
  const header = fc
    .tuple(fc.boolean(), fc.array(segment, { minLength: 1, maxLength: 4 }))
    .map(([absolute, parts]) => (absolute ? '/' : '') + parts.join('/'))

  it('leads, from where the first overlay is, to where following the links one by one leads', () => {
    fc.assert(
      fc.property(fc.array(header, { minLength: 1, maxLength: 6 }), (headers) => {
        const start = '/images/deep/down/top.qcow2'
        const followed = headers.reduce((at, next) => combineHeader(at, next), start)
        expect(combineHeader(start, composeHeaders(headers))).toBe(followed)
      }),
    )
  })

  it('is relative exactly where every link is', () => {
    fc.assert(
      fc.property(fc.array(header, { minLength: 1, maxLength: 6 }), (headers) => {
        expect(composeHeaders(headers).startsWith('/')).toBe(headers.some((one) => one.startsWith('/')))
      }),
    )
  })
})

describe('headerReaches', () => {
  const file = (path: string) => ({ _tag: 'File', path }) as const
  it.each([
    ['/vm/o', 'base', '/vm/base', true],
    ['/vm/o', './base', '/vm/base', true],
    ['/vm/o', '../b/base', '/b/base', true],
    ['/vm/o', '/vm/../vm/base', '/vm/base', true],
    ['/vm/o', 'file:/vm/base', '/vm/base', true],
    ['/vm/o', 'file:base', '/vm/base', false],
    ['/vm/o', 'other', '/vm/base', false],
    ['/vm/o', 'nbd://host/base', '/vm/base', false],
  ])('from %s, %s reaches %s: %s', (overlay, header, backing, reaches) =>
    expect(headerReaches(file(overlay), header, file(backing))).toBe(reaches),
  )

  it('compares what is no path as it stands', () => {
    const uri = 'nbd://host/export'
    expect(headerReaches(file('/o'), uri, { _tag: 'Network', uri })).toBe(true)
    expect(headerReaches(file('/o'), 'nbd://host/other', { _tag: 'Network', uri })).toBe(false)
    expect(headerReaches({ _tag: 'Network', uri }, '/base', file('/base'))).toBe(true)
    expect(headerReaches({ _tag: 'Network', uri }, 'base', file('/base'))).toBe(false)
  })
})

describe('headerBytes and normalPath', () => {
  it('counts UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(headerBytes(text)).toBe(new TextEncoder().encode(text).length)
      }),
    )
  })

  it.each([
    ['\u007f', 1],
    ['\u0080', 2],
    ['\u07ff', 2],
    ['\u0800', 3],
    ['\uffff', 3],
    ['\u{10000}', 4],
  ])('counts %j as %d', (text, bytes) => expect(headerBytes(text)).toBe(bytes))

  it('folds dots, never above the root', () => {
    expect(normalPath('/a/./b/../../../c//d')).toBe('/c/d')
    expect(normalPath('a/../b')).toBe('a/../b')
  })
})
