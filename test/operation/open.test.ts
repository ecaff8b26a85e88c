import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, checkMachinePlan, commit, deleteSnapshots, pull, take } from '../../src/index.js'
import type { MachineHost, MachinePlan, MachineRefusal, Opening } from '../../src/index.js'
import { live, offline, parsed, qmp } from './expect-plan.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const backup = { _tag: 'Tool', name: 'backup' } as const
const reads = (image: string): Opening => ({ image, by: backup, access: 'read' })
const left = <L>(of: E.Either<L, unknown>): L | undefined => (E.isLeft(of) ? of.left : undefined)

describe('one disk', () => {
  const { chain } = parsed('base <- a <- (b <- c^, s)')

  it.each([
    ['the base', 'base'],
    ['the top', 'a'],
  ])('a commit is refused while somebody reads %s', (_, image) => {
    const hypervisor = { ...qmp, opened: [reads(image)] }
    const request = { top: 'a', base: 'base', leftovers: 'keep' } as const
    expect(left(commit(chain, request, hypervisor))).toStrictEqual({
      _tag: 'ImageOpen',
      image,
      step: 0,
      wants: 'write',
      by: { _tag: 'ThisGuest' },
      held: reads(image),
      alternatives: [{ _tag: 'CloseFirst', image, by: backup }],
    })
  })

  it('and while somebody has an overlay open whose header changes, in QEMU or with qemu-img', () => {
    const request = { top: 'a', base: 'base', leftovers: 'remove' } as const
    expect(left(commit(chain, request, { ...qmp, opened: [reads('b')] }))).toMatchObject({ image: 'b', step: 0 })
    const sibling = left(commit(chain, request, { ...live, opened: [reads('s')] }))
    expect(sibling).toMatchObject({ _tag: 'ImageOpen', image: 's', by: { _tag: 'Tool', name: 'qemu-img' } })
  })

  it('a pull writes one image, and reads the rest beside others', () => {
    const request = { into: 'b', base: 'base' } as const
    for (const image of ['base', 'a', 's', 'c'])
      expect(left(pull(chain, request, { ...qmp, opened: [reads(image)] }))).toBe(undefined)
    expect(left(pull(chain, request, { ...qmp, opened: [reads('b')] }))).toMatchObject({ _tag: 'ImageOpen' })
  })

  it('with qemu-img every image is opened with all below it', () => {
    const writes: Opening = { image: 'base', by: { _tag: 'OtherHost', name: 'h2' }, access: 'write' }
    expect(left(pull(chain, { into: 'c', base: 'a' }, { ...offline, opened: [writes] }))).toMatchObject({
      _tag: 'ImageOpen',
      image: 'base',
      wants: 'read',
      held: writes,
    })
  })

  it("who only looks at a header is in nobody's way", () => {
    const looks: Opening = { image: 'base', by: backup, access: 'header' }
    expect(left(commit(chain, { top: 'a', base: 'base' }, { ...qmp, opened: [looks] }))).toBe(undefined)
  })
})

const two: Vm = {
  disks: { vda: 'v[aa] <- v.1[-b] <- v.2[c-]^', vdb: 'w[dd]^' },
  snapshots: [
    { name: 'first', vda: 'v', vdb: 'no' },
    { name: 'second', parent: 'first', vda: 'v.1', vdb: 'no' },
  ],
  current: 'second',
  records: 'none',
  state: 'shut-off',
}

const qemuImg = (disk: string, ...opened: ReadonlyArray<Opening>): MachineHost => ({
  via: 'qemu-img',
  capabilities,
  opened: new Map([[disk, opened]]),
})

const jobs = (plan: E.Either<MachineRefusal, MachinePlan>): ReadonlyArray<string> =>
  E.isRight(plan)
    ? plan.right.steps.flatMap(({ call }) => (call._tag === 'QemuImg' ? (call.argv[1] ?? '') : []))
    : [plan.left._tag]

describe('a machine', () => {
  it('a deletion goes up where somebody reads what it would go down into', () => {
    const { machine } = vm(two)
    const request = { snapshots: ['second'], direction: 'auto' } as const
    expect(jobs(deleteSnapshots(machine, request, qemuImg('vda')))).toContain('commit')
    expect(
      jobs(deleteSnapshots(machine, { ...request, leftovers: 'keep' }, qemuImg('vda', reads('v.1')))),
    ).toStrictEqual(['rebase', 'info'])
    // To remove the file is not to read it.
    expect(left(deleteSnapshots(machine, request, qemuImg('vda', reads('v.1'))))).toMatchObject({
      _tag: 'DiskRefused',
      disk: 'vda',
      refusal: { _tag: 'ImageOpen', image: 'v.1', wants: 'write' },
    })
  })

  it('an internal snapshot of a machine that is off is refused while somebody merely has the image open', () => {
    const { machine } = vm(two)
    const disks = new Map([
      ['vda', { mode: 'no' }],
      ['vdb', { mode: 'internal' }],
    ] as const)
    const held = qemuImg('vdb', { image: 'w', by: { _tag: 'Unknown' }, access: 'read' })
    expect(left(take(machine, { name: 'now', disks }, held))).toMatchObject({
      _tag: 'DiskRefused',
      disk: 'vdb',
      refusal: { _tag: 'ImageOpen', image: 'w', wants: 'write', step: 0 },
    })
    expect(left(take(machine, { name: 'now', disks }, qemuImg('vda', reads('v.2'))))).toBe(undefined)
  })

  it('and one taken by libvirt is judged by the images that it does not name', () => {
    const { machine } = vm({ ...two, records: 'as libvirt writes them' })
    const disks = new Map([
      ['vda', { mode: 'internal' }],
      ['vdb', { mode: 'internal' }],
    ] as const)
    const host: MachineHost = { via: 'libvirt', capabilities, opened: new Map([['vda', [reads('v.2')]]]) }
    expect(left(take(machine, { name: 'now', disks }, host))).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'ImageOpen', image: 'v.2', by: { _tag: 'Tool', name: 'libvirt' } },
    })
  })

  it('the judge finds qemu-img at work on what a guest has open', () => {
    const { machine } = vm({ ...two, state: 'running', nodes: 'monitor' })
    const plan = deleteSnapshots(machine, { snapshots: ['first'] }, { via: 'qmp', capabilities })
    if (E.isLeft(plan)) throw new Error(JSON.stringify(plan.left))
    expect(checkMachinePlan(plan.right)).toStrictEqual([])
    const [first, ...rest] = plan.right.steps
    if (first === undefined) throw new Error('no steps')
    const call = { _tag: 'QemuImg', argv: ['qemu-img', 'snapshot', '-c', 'x', '/images/w'] } as const
    const foreign = { ...plan.right, steps: [first, { ...first, disk: 'vdb', call, why: 'it is quicker' }, ...rest] }
    expect(checkMachinePlan(foreign)).toContainEqual({ _tag: 'OpenTwice', step: 1, disk: 'vdb', image: 'w' })
  })

  it('the judge finds qemu-img at work on what a storage daemon of the same plan has open', () => {
    const { machine } = vm(two)
    const host: MachineHost = { via: 'storage-daemon', capabilities, socket: '/run/vm.qmp' }
    const plan = deleteSnapshots(machine, { snapshots: ['second'] }, host)
    if (E.isLeft(plan)) throw new Error(JSON.stringify(plan.left))
    expect(checkMachinePlan(plan.right)).toStrictEqual([])
    const { steps } = plan.right
    const call = { _tag: 'QemuImg', argv: ['qemu-img', 'snapshot', '-c', 'x', '/images/v.2'] } as const
    const gone = steps.findIndex(({ until }) => until?._tag === 'Daemon' && until.status === 'gone')
    const doubled = steps.map((_, before) => {
      const foreign = steps.flatMap((step, index) => {
        const { until: _until, ...rest } = step
        return index === before ? [{ ...rest, call, why: 'it is quicker' }, step] : [step]
      })
      return checkMachinePlan({ ...plan.right, steps: foreign }).some((one) => one._tag === 'OpenTwice')
    })
    expect(gone).toBeGreaterThan(2)
    expect(doubled).toStrictEqual(steps.map((_, before) => before > 0 && before <= gone))
  })
})
