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

it('shows the snapshots, the chains and the files before', () => {
  expect(part(ran.stdout, 'A running guest with two disks and three snapshots')).toEqual([
    'monday',
    '  |',
    '  +- tuesday',
    '      |',
    '      +- wednesday',
    'The chains (^ is what the guest writes):',
    'vda  disk.qcow2 <- disk.monday <- disk.tuesday <- disk.wednesday^',
    'vdb  data.qcow2 <- data.monday <- data.tuesday <- data.wednesday^',
    'The files that the snapshots are tied to:',
    '            vda             vdb',
    'monday      disk.qcow2      data.qcow2',
    'tuesday     disk.monday     data.monday',
    'wednesday   disk.tuesday    data.tuesday',
  ])
})

it('shows them after, with the snapshot that is tied to another file', () => {
  expect(part(ran.stdout, 'After tuesday is deleted')).toEqual([
    'monday',
    '  |',
    '  +- wednesday',
    'The chains (* contents modified, + backing string modified):',
    'vda  disk.qcow2 <- disk.monday* <- disk.wednesday+^',
    'vdb  data.qcow2 <- data.monday* <- data.wednesday+^',
    'The files that the snapshots are tied to (* another one than before):',
    '            vda             vdb',
    'monday      disk.qcow2      data.qcow2',
    'wednesday   disk.monday *   data.monday *',
  ])
})

it('explains it', () => {
  const lines = part(ran.stdout, 'What happens')
  expect(lines).toContain('- monday on vda stays in disk.qcow2')
  expect(lines).toContain('- tuesday on vda was in disk.monday, and is no more')
  expect(lines).toContain('- wednesday on vdb was in data.tuesday, and is then in data.monday')
  expect(lines).toContain('- /images/disk.tuesday')
})

it("prints the virsh lines for libvirt's own function", () => {
  const lines = part(ran.stdout, "The calls, by libvirt's own function")
  expect(lines).toEqual(['virsh snapshot-delete vm tuesday', 'virsh dumpxml vm', 'virsh dumpxml vm'])
})

it('prints the virsh lines by hand: the chains, then the records, then the files', () => {
  expect(part(ran.stdout, 'The calls, by hand')).toEqual([
    'virsh blockcommit vm vda --base /images/disk.monday --top /images/disk.tuesday',
    'virsh dumpxml vm',
    'virsh blockcommit vm vdb --base /images/data.monday --top /images/data.tuesday',
    'virsh dumpxml vm',
    'virsh snapshot-delete vm tuesday --metadata',
    "printf %s '<domainsnapshot>...</domainsnapshot>' | virsh snapshot-create vm /dev/stdin --redefine",
    'virsh suspend vm',
    'virsh resume vm',
    'unlink -- /images/disk.tuesday',
    'unlink -- /images/data.tuesday',
  ])
})

it('refuses what would destroy points in time that somebody needs', () => {
  const heading = 'Or simply: virsh blockcommit vm vda --top /images/disk.tuesday --delete'
  expect(part(ran.stdout, heading)[0]).toBe(
    'On disk vda: Points in time would be lost: monday (image disk.qcow2), tuesday (image disk.monday).',
  )
})
