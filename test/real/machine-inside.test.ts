// Snapshots inside the images of a domain with a raw disk beside, which they leave out: libvirt leaves it as it is.

import { describe, expect, it } from 'vitest'
import type { RevertRequest, TakeRequest } from '../../src/operation/machine-request.js'
import { createImage } from './lab/images.js'
import { runOk } from './lab/exec.js'
import { writeFile } from 'node:fs/promises'
import { handOver } from './machine/bytes.js'
import { labForAll } from './machine/lab.js'
import { does } from './machine/plans.js'
import { afterTake, inSession, type Session } from './machine/session.js'
import { cellCount, firstCells } from './machine/stage.js'

const lab = labForAll()

/** `vdb` is raw, and to be left out: nobody may write to it, or else the definition says so. */
type LeftOut = 'read-only' | 'by definition'

const onRaw = (how: LeftOut, act: (session: Session) => Promise<void>): Promise<void> =>
  inSession(lab, 'shut-off', async (session) => {
    const { libvirt, folder } = session.stage
    const path = session.path('vdb.qcow2')
    await runOk(['rm', path])
    await createImage({ path, format: 'raw', sizeBytes: cellCount * 65536, cells: firstCells.vdb.replaceAll('0', '-') })
    await handOver(path)
    const xml = await session.virsh('dumpxml', '--inactive')
    const [start = '', vdb = ''] = xml.split(/(?=<disk [^>]*>\s*<driver[^>]*>\s*<source file='[^']*vdb)/)
    const raw = vdb.replace("type='qcow2'", "type='raw'")
    const left =
      how === 'read-only'
        ? raw.replace('</disk>', '<readonly/></disk>')
        : raw.replace("device='disk'", "device='disk' snapshot='no'")
    await writeFile(`${folder}.xml`, start + left)
    await libvirt.ask('define', `${folder}.xml`)
    await act(session)
  })

const disks: TakeRequest['disks'] = new Map([
  ['vda', { mode: 'internal' }],
  ['vdb', { mode: 'no' }],
])

/** Writes, and goes back. */
const returns = async (session: Session, revert: Omit<RevertRequest, 'to'>): Promise<void> => {
  if ((await session.virsh('domstate')).trim() !== 'running') await session.virsh('start')
  await session.writeOne('vda', 3, 'n')
  if (revert.guest === 'shut-off') await session.virsh('destroy')
  const plan = await does(session, { revert: { to: 'i1', present: 'discard', ...revert } })
  expect(plan.parts.map(({ before }) => before.disk)).toEqual(['vda'])
}

describe.each(['libvirt', 'by hand'] as const)('%s', (how) => {
  it.each(['shut-off', 'running'] as const)('back to one that was taken shut off, and %s', (guest) =>
    onRaw('read-only', async (session) => {
      await does(session, { take: { name: 'i1', disks } })
      await returns(session, { how, guest })
      await does(session, { delete: { snapshots: ['i1'] } })
    }),
  )
})

it('back to one that was taken running, with its memory', () =>
  onRaw('read-only', async (session) => {
    await session.virsh('start')
    await session.writeOne('vda', 2, 'm')
    await does(session, { take: { name: 'i1', disks, memory: { _tag: 'Internal' } } })
    await returns(session, { how: 'libvirt' })
  }))

it.each(['libvirt', 'by hand'] as const)(
  'back to one that libvirt did not take itself, since one may write: %s',
  (how) =>
    onRaw('by definition', async (session) => {
      const { libvirt, folder, domain } = session.stage
      await runOk(['qemu-img', 'snapshot', '-c', 'i1', session.path('vda.qcow2')])
      const domainXml = await session.virsh('dumpxml', '--inactive')
      const parts = ["<disk name='vda' snapshot='internal'/>", "<disk name='vdb' snapshot='no'/>"]
      const xml = `<domainsnapshot><name>i1</name><state>shutoff</state><creationTime>1795667000</creationTime>
<memory snapshot='no'/><disks>${parts.join('')}</disks>${domainXml}</domainsnapshot>`
      await writeFile(`${folder}.snapshot.xml`, xml)
      await libvirt.ask('snapshot-create', domain, `${folder}.snapshot.xml`, '--redefine', '--current')
      session.note((of) => afterTake(of, 'i1', ['vda']))
      await session.virsh('start')
      await session.writeOne('vdb', 4, 'w')
      await returns(session, { how, guest: 'shut-off', definition: 'as taken' })
    }),
)
