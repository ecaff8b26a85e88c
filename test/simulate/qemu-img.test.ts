// FACTS-qemu.md section 3: qemu-img on images that nobody has open.

import { describe, expect, it } from 'vitest'

import { fileAt } from 'backing-chain/simulate'
import { after, faultOf, header, host, img, own, refusalOf, seen, shutOff } from './pretend.js'

const three = 'l0[aaaa] <- l1[-b--] <- l2[--c-]^'

describe('qemu-img create', () => {
  it('takes the size of the backing file, found from where the image is', () => {
    const done = after(shutOff(three), [img('create', '-f', 'qcow2', '-b', 'l2', '-F', 'qcow2', '/images/n')])
    expect([seen(done, 'n'), header(done, 'n')]).toEqual(['abca', 'l2 qcow2'])
  })

  it('takes a size with a unit, rounded up to 512, and options', () => {
    const done = after(shutOff(three), [
      img('create', '-fqcow2', '-o', 'cluster_size=128k,compat=0.10', '/images/n', '1000001'),
    ])
    const file = fileAt(done, '/images/n')
    expect([file?.layer.sizeBytes, file?.clusterBytes, file?.version]).toEqual([1000448, 131072, 2])
    expect(fileAt(after(shutOff(three), [img('create', '/images/n', '1.5M')]), '/images/n')?.layer.sizeBytes).toBe(
      1572864,
    )
  })

  it('with -u opens nothing and needs a size', () => {
    const onto = ['create', '-u', '-f', 'qcow2', '-b', 'nowhere', '-F', 'raw', '/images/n']
    expect(header(after(shutOff(three), [img(...onto, '65536')]), 'n')).toBe('nowhere raw')
    expect(refusalOf(shutOff(three), [img(...onto)])).toBe('/images/n: Image creation needs a size parameter')
  })

  it.each([
    [['-f', 'qcow2', '-b', 'l0'], '/images/n: Backing file specified without backing format'],
    [['-f', 'raw', '-b', 'l0', '-F', 'qcow2'], "/images/n: Backing file not supported for file format 'raw'"],
    [['-f', 'qcow2', '-b', 'gone', '-F', 'qcow2'], "Could not open '/images/gone': No such file or directory"],
    [['-f', 'badfmt'], "Unknown driver 'badfmt'"],
  ])('refuses %j', (options, text) => {
    expect(refusalOf(shutOff(three), [img('create', ...options, '/images/n', '65536')])).toBe(text)
  })
})

describe('qemu-img commit', () => {
  it('goes into the backing file and empties the image', () => {
    const done = after(shutOff(three), [img('commit', '/images/l2')])
    expect([own(done, 'l1'), own(done, 'l2'), seen(done, 'l2')]).toEqual(['-bc-', '----', 'abca'])
  })

  it.each([['-d'], ['-b', 'l0'], ['-b', '/images/l0'], ['-b', '../images/l0']])(
    'keeps the image with %s %s',
    (...options) => {
      expect(own(after(shutOff(three), [img('commit', ...options, '/images/l2')]), 'l2')).toBe('--c-')
    },
  )

  it('finds the base from where the image is, and not from anywhere else', () => {
    expect(refusalOf(shutOff(three), [img('commit', '-b', 'images/l0', '/images/l2')])).toBe(
      "Did not find 'images/l0' in the backing chain of '/images/l2'",
    )
  })

  it('refuses where nothing lies below, or base cannot grow', () => {
    expect(refusalOf(shutOff(three), [img('commit', '/images/l0')])).toBe('Image does not have a backing file')
    expect(refusalOf(shutOff('l0:vdi[a] <- l1[-b]^'), [img('commit', '/images/l1')])).toBe(
      'Block job failed: Operation not supported',
    )
  })

  it('leaves the tail of a larger base', () => {
    expect(own(after(shutOff('l0[11111111] <- l1[-2--]^'), [img('commit', '/images/l1')]), 'l0')).toBe('12111111')
  })

  it('of a short middle image exposes base once its overlay is re-pointed (flaw)', () => {
    const done = after(shutOff('l0[11111111] <- l1[-2--] <- l2[--3-----]^'), [
      img('commit', '-d', '/images/l1'),
      img('rebase', '-u', '-b', 'l0', '-F', 'qcow2', '/images/l2'),
    ])
    expect(seen(done, 'l2')).toBe('12311111')
  })
})

describe('qemu-img rebase', () => {
  it('copies only what would read differently', () => {
    const done = after(shutOff('l0[ab00] <- l1[-c-a] <- l2[----]^'), [
      img('rebase', '-b', 'l0', '-F', 'qcow2', '/images/l2'),
    ])
    expect([own(done, 'l2'), header(done, 'l2')]).toEqual(['-c-a', 'l0 qcow2'])
  })

  it.each([
    ['a short backing file to a longer one', 'l0[11111111] <- l1[-22-] <- l2[--------]^', '-22-0000'],
    ['a long backing file to a shorter one', 'l0[1111] <- l1[-----2--] <- l2[-3------]^', '-3---2--'],
  ])('keeps what is read, from %s', (_, picture, left) => {
    const before = shutOff(picture)
    const done = after(before, [img('rebase', '-b', 'l0', '-F', 'qcow2', '/images/l2')])
    expect([own(done, 'l2'), seen(done, 'l2')]).toEqual([left, seen(before, 'l2')])
  })

  it('takes everything up where there is to be nothing below; zeroes need no storing then', () => {
    const done = after(shutOff('l0[a0a-] <- l1[----]^'), [img('rebase', '-b', '', '/images/l1')])
    expect([own(done, 'l1'), header(done, 'l1')]).toEqual(['a-a-', 'none'])
  })

  it('with -u opens nothing', () => {
    const done = after(shutOff(three), [img('rebase', '-u', '-b', 'gone', '-F', 'raw', '/images/l2')])
    expect(header(done, 'l2')).toBe('gone raw')
    expect(header(after(done, [img('rebase', '-u', '/images/l2')]), 'l2')).toBe('none')
  })

  it.each([
    [['/images/l2'], 'Must specify backing file (-b) or use unsafe mode (-u)'],
    [['-b', 'l0', '/images/l2'], "Could not change the backing file to 'l0': backing format must be specified"],
    [
      ['-b', 'gone', '-F', 'qcow2', '/images/l2'],
      "Could not open new backing file 'gone': Could not open '/images/gone': No such file or directory",
    ],
    [['-u', '-b', 'x'.repeat(1024), '-F', 'qcow2', '/images/l2'], 'No space left in the file header'],
    [
      ['-b', 'l2', '-F', 'qcow2', '/images/l0'],
      'Could not open new backing file \'l2\': Failed to get shared "write" lock',
    ],
  ])('refuses %j', (args, text) => expect(refusalOf(shutOff(three), [img('rebase', ...args)])).toBe(text))
})

describe('qemu-img convert -c', () => {
  const made = img('create', '-f', 'qcow2', '/images/n', '262144')

  it('writes the same, at any rate', () => {
    const plain = after(shutOff(three), [img('convert', '-O', 'qcow2', '/images/l2', '/images/n')])
    const packed = after(shutOff(three), [img('convert', '-c', '-r', '1', '-O', 'qcow2', '/images/l2', '/images/n')])
    expect(own(packed, 'n')).toBe(own(plain, 'n'))
    expect(
      own(after(shutOff(three), [made, img('convert', '-c', '-n', '-O', 'qcow2', '/images/l2', '/images/n')]), 'n'),
    ).toBe(own(plain, 'n'))
  })

  it('is for qcow2, and for clusters that are not there yet', () => {
    const text = 'Compression not supported for this file format'
    const raw = img('create', '-f', 'raw', '/images/n', '262144')
    expect(refusalOf(shutOff(three), [img('convert', '-c', '-O', 'raw', '/images/l2', '/images/n')])).toBe(text)
    expect(refusalOf(shutOff(three), [raw, img('convert', '-c', '-n', '-O', 'raw', '/images/l2', '/images/n')])).toBe(
      text,
    )
    const filled = [img('convert', '-O', 'qcow2', '/images/l2', '/images/n')]
    expect(
      refusalOf(shutOff(three), [...filled, img('convert', '-c', '-n', '-O', 'qcow2', '/images/l2', '/images/n')]),
    ).toBe('Unmodelled: compressed data over clusters that are there')
  })
})

describe('qemu-img convert', () => {
  it('writes what is read into one image, zeroes unstored in qcow2 and stored in raw', () => {
    const flat = after(shutOff('l0[a0a-] <- l1[-b--]^'), [
      img('convert', '-O', 'qcow2', '/images/l1', '/images/n'),
      img('convert', '-O', 'raw', '/images/l1', '/images/r'),
    ])
    expect([own(flat, 'n'), own(flat, 'r')]).toEqual(['aba-', 'aba0'])
  })

  it('with -B copies the image alone: right only over the same contents (flaw)', () => {
    const on = (base: string): string =>
      seen(
        after(shutOff(three), [img('convert', '-O', 'qcow2', '-B', base, '-F', 'qcow2', '/images/l2', '/images/n')]),
        'n',
      )
    expect([on('l1'), on('l0')]).toEqual(['abca', 'aaca'])
  })

  it('with -B stores no zeroes beyond the new backing file', () => {
    const done = after(shutOff('l0[aa] <- l1[b0--]^'), [
      img('convert', '-O', 'qcow2', '-B', 'l0', '-F', 'qcow2', '/images/l1', '/images/n'),
      img('create', '-f', 'qcow2', '/images/m', '64K'),
      img('convert', '-O', 'qcow2', '-B', 'm', '-F', 'qcow2', '/images/l1', '/images/o'),
    ])
    expect([own(done, 'n'), own(done, 'o')]).toEqual(['b0--', 'b---'])
  })

  it('with -n goes over what is there, zeroes and all', () => {
    const made = img('create', '-f', 'qcow2', '-b', 'l0', '-F', 'qcow2', '/images/n')
    const done = after(shutOff('l0[aaaa] <- l1[0---]^'), [
      made,
      img('convert', '-n', '-O', 'qcow2', '/images/l1', '/images/n'),
    ])
    expect([own(done, 'n'), seen(done, 'n')]).toEqual(['0aaa', '0aaa'])
    const small = img('create', '-f', 'qcow2', '/images/m', '65536')
    expect(refusalOf(shutOff(three), [small, img('convert', '-n', '-O', 'qcow2', '/images/l2', '/images/m')])).toBe(
      'output file is smaller than input file',
    )
  })
})

describe('qemu-img resize', () => {
  it('shows zeroes in what is new, whatever lies below', () => {
    const done = after(shutOff('l0[11111111] <- l1[-2--]^'), [img('resize', '/images/l1', '+256K')])
    expect([own(done, 'l1'), seen(done, 'l1')]).toEqual(['-2--0000', '12110000'])
  })

  it('forgets what it cuts off', () => {
    const done = after(shutOff('l0[11111111] <- l1[-----]^'), [
      img('resize', '--shrink', '/images/l0', '128K'),
      img('resize', '/images/l0', '512K'),
    ])
    expect(seen(done, 'l1')).toBe('11000')
  })

  it.each([
    [['/images/l2', '128K'], 'Use the --shrink option to perform a shrink operation.'],
    [['/images/l2', '+100'], 'The new size must be a multiple of 512'],
  ])('refuses %j', (args, text) => expect(refusalOf(shutOff(three), [img('resize', ...args)])).toBe(text))

  it.each([
    ['qed', [], 'Block driver does not support requested flags'],
    ['qcow2', ['-o', 'compat=0.10'], 'Failed to zero out new clusters: Operation not supported'],
  ] as const)('refuses what cannot hide a longer backing file: %s %j', (format, options, text) => {
    const made = after(shutOff(three), [
      img('create', '-f', format, ...options, '-b', '/images/l0', '-F', 'qcow2', '/images/n', '64K'),
    ])
    expect(refusalOf(made, [img('resize', '/images/n', '128K')])).toBe(text)
    expect(fileAt(after(made, [img('resize', '--shrink', '/images/n', '512')]), '/images/n')?.layer.sizeBytes).toBe(512)
  })
})

describe('an argument vector', () => {
  it.each([
    [['bitmap', '--add', '/images/l0', 'x']],
    [['commit', '--frob', '/images/l0']],
    [['convert', '-W', '/images/l0', '/images/n']],
  ])('that is not modelled is a fault, not a guess: %j', (argv) =>
    expect(faultOf(shutOff(three), [img(...argv)])._tag).toBe('Unmodelled'),
  )

  it('ends its options at --', () => {
    expect(refusalOf(shutOff(three), [img('info', '--', '-f')])).toBe("Could not open '-f': No such file or directory")
  })

  it('may name a file with file:, and no other protocol', () => {
    after(shutOff(three), [img('info', 'file:/images/l0')])
    expect(refusalOf(shutOff(three), [img('info', 'a:b')])).toBe("Could not open 'a:b': Unknown protocol 'a'")
  })

  it('waits for the chain that info shows', () => {
    const images = ['l0', 'l1', 'l2'].map((name) => ({ image: name, format: 'qcow2', location: `/images/${name}` }))
    const info = {
      ...img('info', '--backing-chain', '--output=json', '/images/l2'),
      until: { _tag: 'ChainIs', disk: 'vda', images },
    } as const
    after(shutOff(three), [info])
    after(host(three), [{ ...info, call: { _tag: 'QemuImg', argv: ['qemu-img', 'info', '-U', '/images/l2'] } }])
    expect(faultOf(shutOff(three), [img('rebase', '-u', '-b', 'l0', '-F', 'qcow2', '/images/l2'), info])._tag).toBe(
      'WaitFailed',
    )
  })
})
