import { expect, it } from 'vitest'
import { runExample } from './run-example.js'

/** The lines after `The calls:`, without the comments between them. */
const calls = (output: string): ReadonlyArray<string> =>
  output
    .slice(output.indexOf('The calls:'))
    .split('\n')
    .slice(1)
    .filter((line) => line !== '' && !line.startsWith('# '))

/** A line with its XML left out. */
const short = (line: string): string => line.replace(/'<(\w+)[ >].*<\/\1>'/, "'<$1>'")

it('deletes the middle snapshot as libvirt does it', async () => {
  const { stdout, stderr, code } = await runExample('delete-middle-snapshot.ts')
  expect([stderr, code]).toEqual(['', 0])
  expect(stdout).toContain('wednesday   disk.monday *   data.monday *')
  expect(calls(stdout)[0]).toBe('virsh snapshot-delete vm tuesday')
})

it('deletes it by hand, with the record of the later one mended', async () => {
  const { stdout } = await runExample('delete-middle-snapshot.ts', ['tuesday', 'examples/captured/three', 'hand'])
  const redefinition = calls(stdout).find((line) => line.startsWith('printf')) ?? ''
  expect(redefinition).toContain('<name>wednesday</name>')
  expect(redefinition).toContain('<parent><name>monday</name></parent>')
  expect(redefinition).not.toContain('tuesday')
  // Both copies of the definition have what holds the point in time; the overlay that the guest goes on in is as it was.
  const disks = (element: string): ReadonlyArray<string> => {
    const inside = redefinition.split(`<${element}`)[1]?.split(`</${element.trim()}>`)[0] ?? ''
    return Array.from(inside.matchAll(/<disk [^>]*>.*?<source file="([^"]+)"/g), ([, file = '']) => file)
  }
  expect(disks('disks')).toEqual(['/images/disk.wednesday', '/images/data.wednesday'])
  expect(disks('domain ')).toEqual(['/images/disk.monday', '/images/data.monday'])
  expect(disks('inactiveDomain')).toEqual(['/images/disk.monday', '/images/data.monday'])
})

it('says why libvirt would refuse, and does it by hand', async () => {
  const folder = 'examples/captured/branches'
  const refused = await runExample('delete-middle-snapshot.ts', ['tuesday', folder, 'libvirt'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('(E8): unsupported configuration: deletion of external disk snapshot with multiple')
  const { stdout, code } = await runExample('delete-middle-snapshot.ts', ['tuesday', folder])
  expect(code).toBe(0)
  expect(stdout).toContain('wednesday   disk.tuesday    data.tuesday\n')
  expect(stdout).toMatch(/^thursday +disk\.monday \* +data\.monday \*$/m)
  expect(calls(stdout)).toContain('qemu-img rebase -f qcow2 -F qcow2 -b /images/disk.qcow2 /images/disk.tuesday')
})

it('does not plan on records that are wrong', async () => {
  const ran = await runExample('delete-middle-snapshot.ts', ['monday', 'examples/captured/shortened'])
  expect(ran.code).toBe(1)
  expect(ran.stderr).toContain('records and images differ')
})

it('cleans up after a commit by hand', async () => {
  const { stdout, stderr, code } = await runExample('clean-a-shortened-chain.ts')
  expect([stderr, code]).toEqual(['', 0])
  expect(stdout).toContain('{"_tag":"PointMissing","snapshot":"wednesday","disk":"vda","path":"/images/disk.tuesday"}')
  expect(stdout).toContain('\nLost: tuesday\n')
  expect(stdout).toContain('- wednesday on vda stays in disk.monday\n')
  expect(calls(stdout).map(short)).toEqual([
    'virsh snapshot-delete vm tuesday --metadata',
    "printf %s '<domainsnapshot>' | virsh snapshot-create vm /dev/stdin --redefine",
  ])
})

it('forgets what is missing where nobody says where it went, and asks', async () => {
  const { stdout, code } = await runExample('clean-a-shortened-chain.ts', ['examples/captured/shortened'])
  expect(code).toBe(0)
  expect(stdout).toContain('If /images/disk.tuesday was committed, say so')
  expect(stdout).toContain('\nLost: wednesday\n')
})

it('mends nothing where all is right', async () => {
  const { stdout, code } = await runExample('clean-a-shortened-chain.ts', ['examples/captured/three'])
  expect(code).toBe(0)
  expect(stdout).toContain('\nLost: nothing\n')
  expect(calls(stdout)).toEqual([])
})

it('reverts and keeps the future', async () => {
  const { stdout, stderr, code } = await runExample('revert-and-keep-the-future.ts')
  expect([stderr, code]).toEqual(['', 0])
  const [, after = ''] = stdout.split('== After\n')
  for (const snapshot of ['monday', 'tuesday', 'wednesday']) expect(after).toContain(`${snapshot} is in`)
})

it('compares the ways to export the present', async () => {
  const { stdout, stderr, code } = await runExample('compare-exports.ts')
  expect([stderr, code]).toEqual(['', 0])
  const pauses = Array.from(stdout.matchAll(/^the guest stands (\d+) times$/gm), ([, count]) => count)
  expect(pauses).toEqual(['1', '2', '1', '4'])
  expect(stdout.match(/^owed: /gm)).toHaveLength(1)
  expect(stdout).toContain('DisksFlushed, MemoryWritten, DataCopied, QemuStarted, MemoryRead')
  expect(stdout).toContain('the guest has rebooted, and its QEMU still has the images open')
})

it('copies a snapshot to images of their own', async () => {
  const { stdout, stderr, code } = await runExample('extract-snapshot.ts')
  expect([stderr, code]).toEqual(['', 0])
  const converts = calls(stdout).filter((line) => line.includes(' convert '))
  expect(converts.map((line) => line.replace(/[^ ]*-(vd\w-tuesday)/, '$1'))).toEqual([
    'qemu-img convert -f qcow2 -O qcow2 /images/disk.monday vda-tuesday.qcow2',
    'qemu-img convert -f qcow2 -O qcow2 /images/data.monday vdb-tuesday.qcow2',
  ])
})

it('says which snapshots there are not to be copied', async () => {
  const { stderr, code } = await runExample('extract-snapshot.ts', ['sunday'])
  expect([code, stderr.includes('The machine has no snapshot sunday.')]).toEqual([1, true])
})

it('shortens a chain under saved memory, which follows', async () => {
  const { stdout, stderr, code } = await runExample('shorten-under-saved-memory.ts')
  expect([stderr, code]).toEqual(['', 0])
  expect(stdout).toContain('"/images/disk.tuesday" would be there no more')
  expect(stdout).toContain('vda  /images/disk.qcow2 <- /images/disk.monday <- /images/live.qcow2\n')
  expect(stdout).toContain('vdb  /images/data.qcow2 <- /images/data.monday <- /images/data.wednesday\n')
  const lines = calls(stdout).map(short)
  const defined = "printf %s '<domain>' | virsh managedsave-define vm /dev/stdin"
  expect(lines.slice(lines.indexOf(defined))).toEqual([
    defined,
    'unlink -- /images/disk.tuesday',
    'unlink -- /images/data.tuesday',
    'link -- /images/disk.wednesday /images/live.qcow2',
    'qemu-img info --backing-chain --output=json /images/live.qcow2',
    "printf %s '<disk>' | virsh update-device vm /dev/stdin --config",
    "printf %s '<domainsnapshot>' | virsh snapshot-create vm /dev/stdin --redefine",
    defined,
    'unlink -- /images/disk.wednesday',
    'virsh start vm',
  ])
})

it('says who has it open, and what to ask instead', async () => {
  const example = 'who-has-it-open.ts'
  const running = await runExample(example)
  expect([running.stderr, running.code]).toEqual(['', 1])
  expect(running.stdout).toContain('No: it would open disk.wednesday to write, and the guest has it open to write.\n')
  expect(running.stdout).toContain('Instead: blockdev-snapshot-internal-sync through the monitor')
  expect(running.stdout).toContain('\n1. write disk.wednesday, read disk.qcow2, read disk.monday, read disk.tuesday\n')
  const off = await runExample(example, ['examples/captured/saved', 'snapshot', '-c', 'x', '/images/disk.wednesday'])
  expect([off.stderr, off.code]).toEqual(['', 0])
  expect(off.stdout).toContain('\nNobody is in the way.\n')
})
