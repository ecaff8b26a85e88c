import { spawnSync } from 'node:child_process'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { shellLine } from '../../src/render/shell.js'
import { shellWords } from '../../src/render/word.js'

/** What a real shell makes of words on a command line. */
const throughShell = (words: string): ReadonlyArray<string> => {
  const { stdout, status } = spawnSync('sh', ['-c', `printf '%s\\0' ${words}`], {
    encoding: 'utf8',
    env: { LC_ALL: 'C.UTF-8' },
  })
  expect(status).toBe(0)
  return stdout.split('\0').slice(0, -1)
}

const word = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => text.replace(/\0/g, '')),
  fc.string({ unit: fc.constantFrom(...`ab'"\\ \n\t\r$\`!*?[]{}()<>|&;#~=%-^/`) }),
  fc.constantFrom('', '-n', '--', '~', '~root', "'", "''", '\\', '$HOME', '$(id)', '`id`', 'a=b', '!!', '*', '名', '#'),
)

describe('shellWords', () => {
  it('is split by a real shell into the same words', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(word, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 40 }),
        (vectors) => {
          const all = vectors.flat()
          expect(throughShell(shellWords(all))).toEqual(all)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('leaves plain words bare', () => {
    expect(shellWords(['qemu-img', 'create', '-o', 'a=b,c=d', '/x/y.qcow2', '10%', 'u@h:1+1'])).toBe(
      'qemu-img create -o a=b,c=d /x/y.qcow2 10% u@h:1+1',
    )
  })
})

describe('shellLine', () => {
  it('writes a qemu-img call so that a shell runs exactly its argv', () => {
    fc.assert(
      fc.property(fc.array(word), (rest) => {
        const argv = ['qemu-img', ...rest] as const
        expect(throughShell(shellLine({ _tag: 'QemuImg', argv }))).toEqual(argv)
      }),
      { numRuns: 50 },
    )
  })

  it('writes a command to the guest agent as the JSON of its socket', () => {
    const command = { execute: 'guest-fsfreeze-thaw' } as const
    expect(shellLine({ _tag: 'Agent', command })).toBe('{"execute":"guest-fsfreeze-thaw"}')
  })

  it('writes a QMP command as the JSON of the socket', () => {
    const command = { execute: 'job-complete', arguments: { id: "it's" } } as const
    expect(shellLine({ _tag: 'Qmp', command })).toBe(`{"execute":"job-complete","arguments":{"id":"it's"}}`)
  })

  it('writes what a plan does to files', () => {
    expect(shellLine({ _tag: 'Files', operation: 'remove', path: '/a b' })).toBe("unlink -- '/a b'")
    expect(shellLine({ _tag: 'Files', operation: 'rename', path: '/a', to: '/b' })).toBe('mv -T -- /a /b')
    expect(shellLine({ _tag: 'Files', operation: 'link', path: '/a', to: '/b' })).toBe('link -- /a /b')
  })

  it('writes a libvirt call as virsh', () => {
    const call = { call: 'virDomainSuspend', arguments: { domain: 'my vm' }, flags: [] } as const
    expect(shellLine({ _tag: 'Libvirt', function: call })).toBe("virsh suspend 'my vm'")
  })
})
