import { compareVersions, validate } from 'compare-versions'

/** One thing that a host can or cannot do: which program has it, since when, and how a QMP schema shows it. */
interface FeatureFact {
  readonly program: 'QEMU' | 'libvirt'
  readonly since: string
  readonly command?: string
  readonly argument?: string
}

const facts = {
  'qemu-block-commit': { program: 'QEMU', since: '1.3', command: 'block-commit' },
  'qemu-active-commit': { program: 'QEMU', since: '2.0' },
  'qemu-commit-by-node': { program: 'QEMU', since: '3.1', command: 'block-commit', argument: 'base-node' },
  'qemu-block-stream': { program: 'QEMU', since: '1.1', command: 'block-stream' },
  'qemu-intermediate-stream': { program: 'QEMU', since: '2.8', command: 'block-stream', argument: 'base-node' },
  'qemu-blockdev': { program: 'QEMU', since: '2.9', command: 'blockdev-add' },
  'qemu-blockdev-create': { program: 'QEMU', since: '3.0', command: 'blockdev-create' },
  'qemu-blockdev-mirror': { program: 'QEMU', since: '2.6', command: 'blockdev-mirror' },
  'qemu-blockdev-backup': { program: 'QEMU', since: '2.12', command: 'blockdev-backup', argument: 'auto-dismiss' },
  'qemu-blockdev-snapshot': { program: 'QEMU', since: '2.5', command: 'blockdev-snapshot' },
  'qemu-internal-snapshot': { program: 'QEMU', since: '1.7', command: 'blockdev-snapshot-internal-sync' },
  'qemu-delete-internal-snapshot': { program: 'QEMU', since: '1.7', command: 'blockdev-snapshot-delete-internal-sync' },
  'qemu-save-snapshot': { program: 'QEMU', since: '6.0', command: 'snapshot-save' },
  'qemu-load-snapshot': { program: 'QEMU', since: '6.0', command: 'snapshot-load' },
  'qemu-job-finalize': { program: 'QEMU', since: '3.1', command: 'block-stream', argument: 'auto-finalize' },
  'qemu-mask-protocol': { program: 'QEMU', since: '9.0', command: 'block-commit', argument: 'backing-mask-protocol' },
  'qemu-carries-bitmaps': { program: 'QEMU', since: '6.1' },
  'qemu-storage-daemon': { program: 'QEMU', since: '5.1' },
  'qemu-blockdev-reopen': { program: 'QEMU', since: '6.1', command: 'blockdev-reopen' },
  'qemu-img-commit-to-base': { program: 'QEMU', since: '2.2' },
  'qemu-img-convert-backing': { program: 'QEMU', since: '5.1' },
  // QEMU's log: "qemu-img: add -l for snapshot in convert" is of 2013-12-04, a week after 1.7; commit 46e8d272 removes `-s`,
  // which it replaced, as deprecated since 2.0.
  'qemu-img-convert-snapshot': { program: 'QEMU', since: '2.0' },
  // QEMU's log: "qemu-img: Update documentation for -U" is of 2017-05-11 (commits 335e9937, 244a566), after 2.9 and before 2.10.
  'qemu-img-force-share': { program: 'QEMU', since: '2.10' },
  // Tests of QEMU's distributors have `convert -r` for a host with 5.2 (avocado-vt pull request 2869, December 2020).
  'qemu-img-convert-rate': { program: 'QEMU', since: '5.2' },
  'libvirt-block-commit': { program: 'libvirt', since: '1.0.0' },
  'libvirt-active-commit': { program: 'libvirt', since: '1.2.6' },
  'libvirt-block-pull': { program: 'libvirt', since: '0.9.4' },
  'libvirt-block-rebase': { program: 'libvirt', since: '0.9.10' },
  'libvirt-block-rebase-copy': { program: 'libvirt', since: '0.9.12' },
  'libvirt-block-copy': { program: 'libvirt', since: '1.2.9' },
  'libvirt-transient-job': { program: 'libvirt', since: '3.5.0' },
  'libvirt-relative': { program: 'libvirt', since: '1.2.7' },
  'libvirt-carries-bitmaps': { program: 'libvirt', since: '7.6.0' },
  'libvirt-external-snapshot': { program: 'libvirt', since: '0.9.11' },
  'libvirt-memory-snapshot': { program: 'libvirt', since: '1.0.1' },
  'libvirt-redefine': { program: 'libvirt', since: '0.9.5' },
  'libvirt-save': { program: 'libvirt', since: '0.9.4' },
  'libvirt-redefine-save': { program: 'libvirt', since: '3.7.0' },
  'libvirt-backup': { program: 'libvirt', since: '7.2.0' },
  'libvirt-freeze': { program: 'libvirt', since: '1.2.5' },
  'libvirt-manual-snapshot': { program: 'libvirt', since: '8.2.0' },
  'libvirt-delete-external': { program: 'libvirt', since: '9.0.0' },
  'libvirt-delete-mends-siblings': { program: 'libvirt', since: '9.9.0' },
  'libvirt-revert-external': { program: 'libvirt', since: '9.9.0' },
  'libvirt-minds-internal': { program: 'libvirt', since: '11.0.0' },
} as const satisfies { readonly [name: string]: FeatureFact }

/**
 * The name of something that a host can or cannot do.
 *
 * @since 0.1.0
 */
export type Feature = keyof typeof facts

/**
 * What a host can do, and the versions that it was told from.
 *
 * @since 0.1.0
 */
export interface Capabilities {
  readonly qemu: string | undefined
  readonly libvirt: string | undefined
  readonly features: ReadonlySet<Feature>
}

/**
 * A feature that a plan needs and the host lacks.
 *
 * @since 0.1.0
 */
export interface MissingFeature {
  readonly feature: Feature
  readonly program: 'QEMU' | 'libvirt'
  readonly since: string
  readonly found: string | undefined
}

const isFeature = (name: string): name is Feature => Object.hasOwn(facts, name)

/**
 * Every feature that plans ask about.
 *
 * @since 0.1.0
 */
export const features: ReadonlyArray<Feature> = Object.keys(facts).filter(isFeature)

const fact = (feature: Feature): FeatureFact => facts[feature]

/**
 * What hosts of these versions can do. A version that is left out, or is none, has nothing.
 *
 * Distributions carry features back to older versions; where a QMP schema can be had, see {@link withSchema}.
 *
 * @example
 * import { capabilitiesOfVersions } from 'backing-chain'
 *
 * capabilitiesOfVersions({ qemu: '1.6' }).features.has('qemu-active-commit') // => false
 *
 * @since 0.1.0
 */
export const capabilitiesOfVersions = (versions: {
  readonly qemu?: string
  readonly libvirt?: string
}): Capabilities => {
  const has = (feature: Feature): boolean => {
    const { program, since } = fact(feature)
    const version = program === 'QEMU' ? versions.qemu : versions.libvirt
    return version !== undefined && validate(version) && compareVersions(version, since) >= 0
  }
  return { qemu: versions.qemu, libvirt: versions.libvirt, features: new Set(features.filter(has)) }
}

/**
 * The commands of a QMP schema with the names of their arguments, as `backing-chain/codec` decodes `query-qmp-schema`.
 *
 * @since 0.1.0
 */
export interface QmpSchema {
  readonly commands: ReadonlyMap<string, ReadonlySet<string>>
}

/**
 * The capabilities with QEMU's part told by its own schema, wherever the schema can tell; the rest stays as it was.
 *
 * @since 0.1.0
 */
export const withSchema = (capabilities: Capabilities, schema: QmpSchema): Capabilities => {
  const has = (feature: Feature): boolean => {
    const { command, argument } = fact(feature)
    if (command === undefined) return capabilities.features.has(feature)
    const found = schema.commands.get(command)
    return found !== undefined && (argument === undefined || found.has(argument))
  }
  return { ...capabilities, features: new Set(features.filter(has)) }
}

/** The features among these that the host lacks, with the version that has each. */
export const missingFeatures = (
  capabilities: Capabilities,
  needed: ReadonlyArray<Feature>,
): ReadonlyArray<MissingFeature> =>
  needed
    .filter((feature) => !capabilities.features.has(feature))
    .map((feature) => {
      const { program, since } = fact(feature)
      return { feature, program, since, found: program === 'QEMU' ? capabilities.qemu : capabilities.libvirt }
    })
