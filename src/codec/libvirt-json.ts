import type * as t from 'io-ts'

import type { LibvirtCall, LibvirtFlag } from '../call/libvirt.js'
import { textOrNull } from './qmp-json.js'
import { exact, list, oneOf, size, tagged, text } from './shape.js'
import { xmlElement } from './xml-json.js'

const onDisk = { domain: text, disk: text }

const call = <S extends string, A, F extends LibvirtFlag>(
  name: S,
  of: t.Type<A, A, unknown>,
  flags: ReadonlyArray<F>,
) => exact({ call: oneOf(name), arguments: of, flags: list(oneOf(...flags)) }, {})

const onDomain = exact({ domain: text }, {})
const onSnapshot = exact({ domain: text, snapshot: text }, {})

const blockCalls = {
  virDomainBlockCommit: call(
    'virDomainBlockCommit',
    exact({ ...onDisk, base: textOrNull, top: textOrNull, bandwidth: size }, {}),
    [
      'VIR_DOMAIN_BLOCK_COMMIT_SHALLOW',
      'VIR_DOMAIN_BLOCK_COMMIT_DELETE',
      'VIR_DOMAIN_BLOCK_COMMIT_ACTIVE',
      'VIR_DOMAIN_BLOCK_COMMIT_RELATIVE',
    ],
  ),
  virDomainBlockPull: call('virDomainBlockPull', exact({ ...onDisk, bandwidth: size }, {}), []),
  virDomainBlockRebase: call('virDomainBlockRebase', exact({ ...onDisk, base: textOrNull, bandwidth: size }, {}), [
    'VIR_DOMAIN_BLOCK_REBASE_SHALLOW',
    'VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT',
    'VIR_DOMAIN_BLOCK_REBASE_COPY_RAW',
    'VIR_DOMAIN_BLOCK_REBASE_COPY',
    'VIR_DOMAIN_BLOCK_REBASE_RELATIVE',
    'VIR_DOMAIN_BLOCK_REBASE_COPY_DEV',
  ]),
  virDomainBlockCopy: call('virDomainBlockCopy', exact({ ...onDisk, destxml: xmlElement }, {}), [
    'VIR_DOMAIN_BLOCK_COPY_SHALLOW',
    'VIR_DOMAIN_BLOCK_COPY_REUSE_EXT',
    'VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB',
  ]),
  virDomainBlockJobAbort: call('virDomainBlockJobAbort', exact(onDisk, {}), [
    'VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC',
    'VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT',
  ]),
}

const snapshotCalls = {
  virDomainSnapshotCreateXML: call('virDomainSnapshotCreateXML', exact({ domain: text, xml: xmlElement }, {}), [
    'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE',
    'VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT',
    'VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA',
    'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY',
    'VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE',
    'VIR_DOMAIN_SNAPSHOT_CREATE_LIVE',
    'VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT',
    'VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC',
  ]),
  virDomainSnapshotDelete: call('virDomainSnapshotDelete', onSnapshot, [
    'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN',
    'VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY',
    'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY',
  ]),
  virDomainRevertToSnapshot: call('virDomainRevertToSnapshot', onSnapshot, [
    'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING',
    'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED',
    'VIR_DOMAIN_SNAPSHOT_REVERT_FORCE',
  ]),
  virDomainSnapshotGetXMLDesc: call('virDomainSnapshotGetXMLDesc', onSnapshot, []),
}

const domainCalls = {
  virDomainSuspend: call('virDomainSuspend', onDomain, []),
  virDomainResume: call('virDomainResume', onDomain, []),
  virDomainFSFreeze: call('virDomainFSFreeze', onDomain, []),
  virDomainFSThaw: call('virDomainFSThaw', onDomain, []),
  virDomainDestroyFlags: call('virDomainDestroyFlags', onDomain, ['VIR_DOMAIN_DESTROY_GRACEFUL']),
  virDomainCreateWithFlags: call('virDomainCreateWithFlags', onDomain, [
    'VIR_DOMAIN_START_PAUSED',
    'VIR_DOMAIN_START_FORCE_BOOT',
  ]),
  virDomainBackupBegin: call('virDomainBackupBegin', exact({ domain: text, xml: xmlElement }, {}), [
    'VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL',
  ]),
  virDomainAbortJob: call('virDomainAbortJob', onDomain, []),
  virDomainDefineXMLFlags: call('virDomainDefineXMLFlags', exact({ domain: text, xml: xmlElement }, {}), []),
  virDomainGetXMLDesc: call('virDomainGetXMLDesc', onDomain, ['VIR_DOMAIN_XML_INACTIVE']),
  virDomainUpdateDeviceFlags: call('virDomainUpdateDeviceFlags', exact({ domain: text, xml: xmlElement }, {}), [
    'VIR_DOMAIN_AFFECT_CONFIG',
  ]),
}

const saves = ['VIR_DOMAIN_SAVE_BYPASS_CACHE', 'VIR_DOMAIN_SAVE_RUNNING', 'VIR_DOMAIN_SAVE_PAUSED'] as const
const redefines = ['VIR_DOMAIN_SAVE_RUNNING', 'VIR_DOMAIN_SAVE_PAUSED'] as const
const onSavedFile = exact({ domain: text, path: text }, {})

const savedCalls = {
  virDomainManagedSave: call('virDomainManagedSave', onDomain, saves),
  virDomainManagedSaveRemove: call('virDomainManagedSaveRemove', onDomain, []),
  virDomainManagedSaveDefineXML: call(
    'virDomainManagedSaveDefineXML',
    exact({ domain: text, xml: xmlElement }, {}),
    redefines,
  ),
  virDomainSaveFlags: call('virDomainSaveFlags', onSavedFile, saves),
  virDomainRestoreFlags: call('virDomainRestoreFlags', onSavedFile, saves),
  virDomainSaveImageDefineXML: call(
    'virDomainSaveImageDefineXML',
    exact({ domain: text, path: text, xml: xmlElement }, {}),
    redefines,
  ),
}

const members = { ...blockCalls, ...snapshotCalls, ...domainCalls, ...savedCalls } satisfies {
  readonly [C in LibvirtCall['call']]: t.Decoder<unknown, LibvirtCall & { readonly call: C }>
}

/** A libvirt call that a plan can have. */
export const libvirtCall = tagged('call', members)
