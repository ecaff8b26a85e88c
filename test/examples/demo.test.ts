import { expect, it } from 'vitest'
import { runExample } from './run-example.js'

/** The lines of a part of the output, from its heading to the next one, without the comments between calls. */
const part = (output: string, heading: string): ReadonlyArray<string> => {
  const [, text = ''] = output.split(`== ${heading}\n\n`)
  const lines = (text.split('\n== ')[0] ?? '').trimEnd().split('\n')
  return lines.filter((line) => line !== '' && !line.startsWith('# '))
}

const ran = await runExample('demo.ts')

it('runs', () => {
  expect(ran.stderr.replace(/^npm warn .*\n/gm, '')).toBe('')
  expect(ran.code).toBe(0)
})

it('shows the chain before and after', () => {
  expect(part(ran.stdout, 'Delete the snapshot tuesday').slice(0, 2)).toEqual([
    'before  disk.qcow2 <- disk.monday <- disk.tuesday <- disk.wednesday^',
    'after   disk.qcow2 <- disk.monday* <- disk.wednesday+^',
  ])
})

it('says where the points in time are afterwards', () => {
  const lines = part(ran.stdout, 'What happens')
  expect(lines).toContain('- monday stays in disk.qcow2')
  expect(lines).toContain('- wednesday was in disk.tuesday, and is then in disk.monday')
})

it('prints the QMP commands, with the nodes that QEMU reported', () => {
  const commands = part(ran.stdout, 'The calls through QMP, the guest running')
  const [commit] = commands
  expect(JSON.parse(commit ?? '')).toEqual({
    execute: 'block-commit',
    arguments: {
      'job-id': 'commit-2da79b1a',
      device: 'libvirt-4-format',
      'top-node': 'libvirt-3-format',
      'base-node': 'libvirt-2-format',
      'backing-file': '/images/disk.monday',
      'backing-mask-protocol': true,
      'auto-finalize': false,
      'auto-dismiss': false,
    },
  })
  expect(commands.slice(1)).toEqual([
    '{"execute":"stop"}',
    '{"execute":"cont"}',
    '{"execute":"job-finalize","arguments":{"id":"commit-2da79b1a"}}',
    '{"execute":"job-dismiss","arguments":{"id":"commit-2da79b1a"}}',
    '{"execute":"query-block"}',
    '{"execute":"blockdev-del","arguments":{"node-name":"libvirt-3-format"}}',
    '{"execute":"blockdev-del","arguments":{"node-name":"libvirt-3-storage"}}',
    '{"execute":"stop"}',
    '{"execute":"cont"}',
    'unlink -- /images/disk.tuesday',
  ])
})

it('prints the virsh lines', () => {
  const lines = part(ran.stdout, 'The calls through libvirt, the guest running')
  expect(lines[0]).toBe('virsh blockcommit vm vda --base /images/disk.monday --top /images/disk.tuesday')
  expect(lines).toContain('virsh dumpxml vm')
  expect(lines.at(-1)).toBe('unlink -- /images/disk.tuesday')
})

it('prints the command lines for a guest that is shut off, and mends the definition', () => {
  const lines = part(ran.stdout, 'The calls through qemu-img, the guest shut off')
  expect(lines.slice(0, 3)).toEqual([
    'qemu-img commit -f qcow2 -b /images/disk.monday -d /images/disk.tuesday',
    'qemu-img rebase -u -f qcow2 -F qcow2 -b /images/disk.monday /images/disk.wednesday',
    'qemu-img info --backing-chain --output=json /images/disk.wednesday',
  ])
  expect(lines[3]).toMatch(/<source file="\/images\/disk\.wednesday"\/><target dev="vda".* virsh update-device vm /)
  expect(lines[3]).not.toContain('backingStore')
})

it('refuses what would destroy a point in time that somebody needs', () => {
  expect(part(ran.stdout, 'Commit disk.monday into disk.qcow2 instead')[0]).toBe(
    'Points in time would be lost: monday (image disk.qcow2).',
  )
})
