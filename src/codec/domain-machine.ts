import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { activeImage } from '../model/chain-query.js'
import type { Chain } from '../model/chain.js'
import type { GuestState } from '../model/guest.js'
import { locationString } from '../model/location.js'
import { machine } from '../model/machine-make.js'
import type { Definitions, Machine } from '../model/machine.js'
import type { SavedState } from '../model/saved-state.js'
import type { XmlElement } from '../model/xml.js'
import { machineWrong, unlessWrong } from './decode-error.js'
import type { DecodeError } from './decode-error.js'
import { disksOfDomain } from './domain-disk.js'
import type { DomainDisk } from './domain-disk.js'
import { diskIndex, pointsOf } from './domain-point.js'
import type { DiskIndex, PointFinding } from './domain-point.js'
import { decodeSnapshots } from './domain-snapshot.js'
import type { DomainSnapshot } from './domain-snapshot.js'
import { leadsElsewhere } from './filename.js'
import { elementIn, parsedXml, textIn } from './xml-document.js'

/**
 * Where what libvirt has written down and the images do not agree.
 *
 * - `PointMissing`: no image of the chain is where the snapshot has the disk; `path` is nothing where it does not say.
 * - `PointWritten`: the image is there, and it is the active one or lies above it, so the guest has changed it.
 * - `InternalMissing`: the image has no internal snapshot of that name.
 * - `DiskGone`: the domain has no such disk any more. What the snapshot says of it is taken over and cannot be checked.
 * - `ChainMissing`: the domain has the disk, and no chain of it was given.
 * - `ActiveElsewhere`: the definition names another image as the disk than the chain has active, or no such disk.
 *
 * @since 0.2.0
 */
export type MachineFinding =
  | PointFinding
  | { readonly _tag: 'ChainMissing'; readonly disk: string }
  | {
      readonly _tag: 'ActiveElsewhere'
      readonly disk: string
      readonly definition: string | undefined
      readonly active: string
    }

/**
 * What is known of a domain.
 *
 * - `domain`: `virsh dumpxml`; nothing where the guest is shut off, or the same as `inactive`.
 * - `inactive`: `virsh dumpxml --inactive`; nothing for a transient domain.
 * - `snapshots`: `virsh snapshot-dumpxml` of each, in any order. `current`: `virsh snapshot-current --name`.
 * - `saved`: states of the guest's memory, as {@link decodeSavedState} reads them; none, where left out.
 * - `chains`: of every disk, with all branches: see {@link decodeBranches}, {@link chainFromDomain}.
 *
 * @since 0.2.0
 */
export interface LibvirtMachine {
  readonly domain: string | undefined
  readonly inactive: string | undefined
  readonly state: GuestState
  readonly snapshots: ReadonlyArray<string>
  readonly current: string | undefined
  readonly saved?: ReadonlyArray<SavedState>
  readonly chains: ReadonlyArray<Chain>
}

/**
 * A machine, and where libvirt's records and the images disagree about it.
 *
 * @since 0.2.0
 */
export interface DecodedMachine {
  readonly machine: Machine
  readonly findings: ReadonlyArray<MachineFinding>
}

/** The definition that counts now: the live one if there is one. */
interface Definition {
  readonly definitions: Definitions
  readonly name: string
  readonly disks: ReadonlyMap<string, DomainDisk>
}

const parsedOr = (xml: string | undefined): E.Either<DecodeError, XmlElement | undefined> =>
  xml === undefined ? E.right(undefined) : parsedXml(xml)

const definitionOf = (definitions: Definitions): E.Either<DecodeError, Definition> => {
  const counts = definitions.live ?? definitions.persistent
  const name = textIn(elementIn(counts, 'name'))
  if (counts === undefined || name === undefined) {
    const [path, expected] = counts === undefined ? ['/', 'a definition'] : ['/domain/name', 'a name']
    return unlessWrong([{ path, expected, actual: 'nothing' }], { definitions, name: '', disks: new Map() })
  }
  return pipe(
    disksOfDomain(counts),
    E.map((disks) => ({ definitions, name, disks: new Map(disks.map((disk) => [disk.target, disk])) })),
  )
}

const definitionIn = ({ domain, inactive, state }: LibvirtMachine): E.Either<DecodeError, Definition> =>
  pipe(
    parsedOr(domain),
    E.flatMap((live) =>
      pipe(
        parsedOr(inactive),
        E.map((persistent) =>
          state === 'shut-off' ? { live: undefined, persistent: persistent ?? live } : { live, persistent },
        ),
      ),
    ),
    E.flatMap(definitionOf),
  )

const sourceOf = (disk: DomainDisk | undefined): string | undefined => {
  const location = disk?.images.at(-1)?.location
  return location === undefined ? undefined : locationString(location)
}

const diskFindings = ({ disks }: Definition, chains: ReadonlyArray<Chain>): ReadonlyArray<MachineFinding> => {
  const given = new Set(chains.map(({ disk }) => disk))
  const missing = Array.from(disks.values()).flatMap(({ target, images }): ReadonlyArray<MachineFinding> =>
    images.length > 0 && !given.has(target) ? [{ _tag: 'ChainMissing', disk: target }] : [],
  )
  const elsewhere = chains.flatMap((chain): ReadonlyArray<MachineFinding> => {
    const [definition, active] = [sourceOf(disks.get(chain.disk)), locationString(activeImage(chain).location)]
    return definition === undefined || leadsElsewhere(definition, active)
      ? [{ _tag: 'ActiveElsewhere', disk: chain.disk, definition, active }]
      : []
  })
  return [...missing, ...elsewhere]
}

const assembled = (
  of: LibvirtMachine,
  definition: Definition,
  snapshots: ReadonlyArray<DomainSnapshot>,
): E.Either<DecodeError, DecodedMachine> => {
  const index: ReadonlyMap<string, DiskIndex> = new Map(of.chains.map((chain) => [chain.disk, diskIndex(chain)]))
  const points = snapshots.map((snapshot) => pointsOf(snapshot, { index, targets: definition.disks }))
  const description = {
    name: definition.name,
    state: of.state,
    disks: of.chains,
    definitions: definition.definitions,
    snapshots: points.map(({ description: one }) => one),
    ...(of.current === undefined ? {} : { current: of.current }),
    ...(of.saved === undefined ? {} : { saved: of.saved }),
  }
  const findings = [...diskFindings(definition, of.chains), ...points.flatMap((one) => one.findings)]
  return pipe(
    machine(description),
    E.mapLeft(machineWrong),
    E.map((made) => ({ machine: made, findings })),
  )
}

/**
 * Makes a machine of what libvirt has written down of a domain and of the chains of its disks.
 *
 * The point in time of a disk is the image that the snapshot's own copy of the definition names, which was active just
 * before; the overlay in its `<disks>` is not asked. Paths are compared with `.` and `..` folded; symbolic links are not
 * known. Where that image is not there any more, or has been written since, the snapshot has nothing for the disk, and
 * `findings` says so. Linear.
 *
 * Left, in this order: `TextWrong`, `ShapeWrong`, `MachineWrong` (what {@link machine} says).
 *
 * @example
 * import { decodeBackingChain, machineFromLibvirt } from 'backing-chain/codec'
 * import { pointMap } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const disk = (path: string): string =>
 *   `<devices><disk type="file"><source file="${path}"/><target dev="vda"/></disk></devices>`
 * const inactive = `<domain><name>vm</name>${disk('/vm/a.monday')}</domain>`
 * const monday = `<domainsnapshot><name>monday</name><state>shutoff</state><memory snapshot="no"/>
 *   <disks><disk name="vda" snapshot="external" type="file"><source file="/vm/a.monday"/></disk></disks>
 *   <domain><name>vm</name>${disk('/vm/a')}</domain></domainsnapshot>`
 * const base = { filename: '/vm/a', format: 'qcow2', 'virtual-size': 65536 }
 * const backing = { 'backing-filename': '/vm/a', 'backing-filename-format': 'qcow2' }
 * const decoded = decodeBackingChain([{ ...base, ...backing, filename: '/vm/a.monday' }, base], { disk: 'vda' })
 * const chains = E.isRight(decoded) ? [decoded.right] : []
 * const [snapshots, current] = [[monday], 'monday']
 * const vm = machineFromLibvirt({ domain: undefined, inactive, state: 'shut-off', snapshots, current, chains })
 * E.isRight(vm) ? pointMap(vm.right.machine).get('monday')?.get('vda')?.image : vm.left // => '/vm/a'
 *
 * @since 0.2.0
 */
export const machineFromLibvirt = (of: LibvirtMachine): E.Either<DecodeError, DecodedMachine> =>
  pipe(
    definitionIn(of),
    E.flatMap((definition) =>
      pipe(
        decodeSnapshots(of.snapshots),
        E.flatMap((snapshots) => assembled(of, definition, snapshots)),
      ),
    ),
  )
