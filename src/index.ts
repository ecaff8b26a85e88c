// content: what a chain means for the bytes
export type { Run } from './content/run.js'
export { emptyLayer, equalLayers, layer, solid } from './content/layer.js'
export type { Layer, LayerError } from './content/layer.js'
export { ground, override, overrideSemigroup, product } from './content/override.js'
export { equalViews, view, writeInto } from './content/view.js'
export { defaultClusterBytes, layerOfPattern, patternOfLayer } from './content/pattern.js'

// model: images and chains
export { formats, isFormat, traitsOf } from './model/format.js'
export type { Format, FormatTraits } from './model/format.js'
export { locationString } from './model/location.js'
export type { Location } from './model/location.js'
export { openedByGuest } from './model/opening.js'
export type { Access, Opener, Opening } from './model/opening.js'
export { combineHeader, composeHeaders, headerReaches, largestHeaderBytes, relativeHeader } from './model/header.js'
export { isImageName } from './model/image.js'
export type {
  Backing,
  Bitmap,
  DataFile,
  Image,
  ImageDescription,
  ImageName,
  InternalSnapshot,
  LiveNode,
} from './model/image.js'
export { chain } from './model/chain.js'
export type { Chain } from './model/chain.js'
export type { ModelError } from './model/chain-error.js'
export {
  activeImage,
  activePath,
  backingOf,
  imageOf,
  overlayIndex,
  overlaysOf,
  path,
  readersOf,
  roots,
  span,
} from './model/chain-query.js'
export type { Reader } from './model/chain-query.js'
export { parsePicture } from './model/parse-picture.js'
export { printPicture } from './model/print-picture.js'
export type { Mark, NotationError, Picture, PictureImage } from './model/picture.js'
export { parseChain, printChain } from './model/notation.js'
export type { ParsedChain, ParseOptions, PrintOptions } from './model/notation.js'
export { xmlText } from './model/xml.js'
export type { XmlElement } from './model/xml.js'

// model: snapshots and machines
export type { GuestState } from './model/guest.js'
export { isSnapshotName } from './model/snapshot.js'
export type {
  Memory,
  Snapshot,
  SnapshotDescription,
  SnapshotDisk,
  SnapshotName,
  SnapshotState,
} from './model/snapshot.js'
export { kindOfSnapshot, wasLive } from './model/snapshot-kind.js'
export type { SnapshotKind } from './model/snapshot-kind.js'
export { machine } from './model/machine-make.js'
export type { Definitions, Machine, MachineDescription } from './model/machine.js'
export type { MachineError } from './model/machine-error.js'
export {
  ancestorsOf,
  childrenOf,
  descendantsOf,
  snapshotRange,
  snapshotRoots,
  subtreeOf,
} from './model/snapshot-tree.js'
export type { Convention, SnapshotRow, TreeProblem } from './model/snapshot-row.js'
export type { PlaceProblem } from './model/convention-row.js'
export type { ConventionError } from './model/convention-error.js'
export { readRecords } from './model/convention-read.js'
export type { RecordedPoint } from './model/convention-read.js'
export { convertRecords, writeRecords } from './model/convention-write.js'
export type { ObservedImage, Observation } from './model/diff-observation.js'
export type { Finding } from './model/diff-finding.js'
export type { DeclaredRow, Records } from './model/diff-row.js'
export { diff } from './model/diff.js'
export { keepingOf, levelTraits } from './model/storage-level.js'
export type { Keeping, LevelBelow, LevelKind, LevelTraits, StorageLevel } from './model/storage-level.js'
export type { CopiedPoint, StorageCopy } from './model/storage-copy.js'
export type { PinnedImage, SavedPlace, SavedState } from './model/saved-state.js'
export { pinnedBy } from './model/saved-pin.js'
export { pointMap } from './model/point-map.js'
export { owed } from './model/owed.js'
export type { OwedDescription, OwedSnapshot } from './model/owed.js'
export type { PointMap, PointPlace } from './model/point-map.js'

// call: what can be asked of the outside
export type { Call } from './call/call.js'
export type { QmpCommand, TransactionAction } from './call/qmp.js'
export { flagBits } from './call/libvirt.js'
export type { LibvirtCall, LibvirtFlag } from './call/libvirt.js'
export type { QemuImgCall } from './call/qemu-img.js'
export type { FileCall } from './call/files.js'
export type { HandOverCall, HostCall, HostProgram } from './call/host.js'
export type { StorageDaemonCall } from './call/storage-daemon.js'
export { judgeChain, judgeDaemon, judgeLibvirtJob, judgeLibvirtJobs, judgeQmpJob } from './call/wait.js'
export type { ReportedDaemon, ReportedImage, ReportedJob, Wait, WaitState } from './call/wait.js'
export { capabilitiesOfVersions, features, withSchema } from './call/capability.js'
export type { Capabilities, Feature, MissingFeature, QmpSchema } from './call/capability.js'

// plan: what an operation gives back
export type {
  Definition,
  Domain,
  Hypervisor,
  LibvirtHypervisor,
  QemuImgHypervisor,
  QmpHypervisor,
  RunningJob,
  StorageDaemonHypervisor,
} from './plan/hypervisor.js'
export type { AcceptableTag, Alternative, Refusal, ThreeSizes } from './plan/refusal.js'
export type { Fate } from './plan/fate.js'
export type { Assumption } from './plan/assumption.js'
export type { Cleanup, ContentChange, Plan, Point, PointOutcome, Step } from './plan/plan.js'
export type { OpenConflict } from './plan/open-conflict.js'
export { planOpenings } from './plan/open-plan.js'
export { judgeCall } from './plan/open-judge.js'
export type { CallConflict, Instead } from './plan/open-judge.js'
export { checkPlan } from './plan/check.js'
export { pausesOf } from './plan/pause.js'
export type { Pause } from './plan/pause.js'
export type { PauseCost } from './plan/pause-effect.js'
export type { Consistency, DiskPart, MachineAssumption, MachinePlan, MachineStep } from './plan/machine-plan.js'
export { commitsOf } from './plan/planned-commit.js'
export type { PlannedCommit } from './plan/planned-commit.js'
export { checkMachinePlan } from './plan/check-machine.js'
export type { MachinePlanProblem } from './plan/check-machine.js'
export type { MachineHost } from './plan/machine-host.js'
export type { PinChange, PinConflict } from './plan/pin-conflict.js'
export type { LevelObjection, PassedOver } from './plan/passed-over.js'
export type { LevelPlan } from './plan/level-plan.js'
export type {
  LibvirtRefusal,
  LibvirtRule,
  Loss,
  MachineAlternative,
  MachineRefusal,
  CopyProblem,
} from './plan/machine-refusal.js'
export type { PlanProblem } from './plan/check.js'
export { contentsAfter, viewOf } from './plan/contents.js'
export type { Contents, Inside } from './plan/contents.js'

// operation: the plans
export type {
  AddOverlayRequest,
  CommitRequest,
  CommonRequest,
  CopyRequest,
  DeviceRoom,
  End,
  NewImage,
  PullRequest,
  RenameRequest,
  ShallowCommitRequest,
} from './operation/request.js'
export { addOverlay } from './operation/add-overlay.js'
export { commit, shallowCommit } from './operation/commit.js'
export { commitRoom, extendVolume, roomQuestions } from './operation/commit-room.js'
export type { Checked, CommitRoom, Measured, RoomFacts } from './operation/commit-room.js'
export { pull } from './operation/pull.js'
export { copy } from './operation/copy.js'
export { rename } from './operation/rename.js'

// operation: snapshots and machines
export type {
  ChainRequest,
  DeleteRequest,
  DropRequest,
  ExportRequest,
  ExtractRequest,
  ForgetRequest,
  ImageDevice,
  RenameImageRequest,
  RestoreRequest,
  RevertRequest,
  SaveRequest,
  SettleEvent,
  TakeDisk,
  TakeRequest,
} from './operation/machine-request.js'
export { take } from './operation/take.js'
export type { DeleteCopiesRequest, LevelRequest, RevertToCopiesRequest } from './operation/level-request.js'
export { snapshotAtLevel } from './operation/snapshot-at-level.js'
export { deleteCopies } from './operation/delete-copies.js'
export { revertToCopies } from './operation/revert-to-copies.js'
export { deleteSnapshots } from './operation/delete.js'
export { revert } from './operation/revert.js'
export { forget, redefine } from './operation/forget.js'
export { changeChain } from './operation/change-chain.js'
export { saveState } from './operation/save-state.js'
export { restoreState } from './operation/restore-state.js'
export { dropState } from './operation/drop-state.js'
export { exportSnapshot } from './operation/export.js'
export { settle } from './operation/settle.js'
export { renameImage } from './operation/rename-image.js'
export { extractSnapshot } from './operation/extract.js'
export { pointsAfter } from './operation/machine-lane.js'

// operation: what libvirt's own functions do
export { predictDelete } from './operation/libvirt-delete.js'
export type { LibvirtDeletion, LibvirtDiskDeletion } from './operation/libvirt-delete.js'
export type { LibvirtDeleteRequest } from './operation/libvirt-delete-guard.js'
export type { LibvirtRecords } from './operation/libvirt-delete-record.js'
export { lossesOfDelete, pointsAfterDelete } from './operation/libvirt-loss.js'
export { predictRevert } from './operation/libvirt-revert.js'
export type { LibvirtRevert } from './operation/libvirt-revert.js'
export type { LibvirtOverlay, LibvirtRevertRefusal, LibvirtRevertRequest } from './operation/libvirt-revert-guard.js'
export { changesOfRevert, lossesOfRevert, pointsAfterRevert } from './operation/libvirt-revert-loss.js'
export type { RevertChanges } from './operation/libvirt-revert-loss.js'

// render: plans to read
export { marksOfPlan, notation } from './render/notation.js'
export { mermaid } from './render/mermaid.js'
export { shellLine } from './render/shell.js'
export { virshCommand, virshLine } from './render/virsh.js'
export type { VirshCommand } from './render/virsh.js'
export { explain } from './render/explanation.js'
export { explainRefusal } from './render/refusal.js'
export { printSnapshotTree } from './render/snapshot-tree.js'
export { explainMachine } from './render/machine-explanation.js'
export { explainMachineRefusal } from './render/machine-refusal.js'
