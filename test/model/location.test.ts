import { describe, expect, it } from 'vitest'

import { hasProtocol, isAbsolute, locationString, pathOf } from '../../src/model/location.js'

describe('locations', () => {
  it('are named by their string, and only files and devices have a path', () => {
    expect(locationString({ _tag: 'File', path: '/a' })).toBe('/a')
    expect(pathOf({ _tag: 'BlockDevice', path: '/dev/sda' })).toBe('/dev/sda')
    expect(locationString({ _tag: 'Network', uri: 'nbd://h/e' })).toBe('nbd://h/e')
    expect(pathOf({ _tag: 'Network', uri: 'nbd://h/e' })).toBeUndefined()
    expect(locationString({ _tag: 'Descriptor', json: 'json:{}' })).toBe('json:{}')
  })

  it.each([
    ['a:b', true, true],
    ['nbd://host/x', true, true],
    ['json:{"a":"/"}', true, true],
    ['./a:b', false, false],
    ['/a:b', false, true],
    ['a', false, false],
    ['', false, false],
  ])('%j has a protocol: %s, is absolute: %s', (text, protocol, absolute) => {
    expect(hasProtocol(text)).toBe(protocol)
    expect(isAbsolute(text)).toBe(absolute)
  })
})
