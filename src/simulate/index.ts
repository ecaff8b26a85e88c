export { withImage, worldOf } from './world-of.js'
export type { WorldError, WorldOptions } from './world-of.js'
export type { Boot, FileHeader, Incident, Process, SavedLayer, SimDomain, SimFile, SimNode, World } from './world.js'
export type { Job } from './job.js'
export type { Fault } from './fault.js'
export { perform } from './perform.js'
export { settle } from './settle.js'
export { advance, killsFinalizing } from './job-progress.js'
export { guestWrite } from './guest.js'
export { kill, quit } from './process.js'
export { start } from './start.js'
export { run, endOf } from './trace.js'
export type { Moment, RunOptions, SimStep, Trace } from './trace.js'
export { durableChain, fileView, guestView, liveChain, startChain } from './observe.js'
export type { SeenImage } from './observe.js'
export { observeChain } from './observe-chain.js'
export { withDevice } from './device.js'
export { fileAt, pathsOf, withAccess, withOutside } from './files.js'
export { machineWorldOf } from './machine-world-of.js'
export type { MachineWorldError, MachineWorldOptions } from './machine-world-of.js'
export { later, machineIncidents } from './machine-world.js'
export type {
  MachineDomain,
  MachineStorage,
  MachineWorld,
  SavedMemory,
  SimSnapshot,
  SnapshotRecordDisk,
  StoredDisk,
} from './machine-world.js'
export { killMachine } from './machine-process.js'
export { performMachine } from './perform-machine.js'
export type { PerformOptions } from './perform-machine.js'
export { endOfMachine, machineWrite, runMachine } from './machine-trace.js'
export type {
  GuestWrite,
  MachineMoment,
  MachineRunOptions,
  MachineSimCleanup,
  MachineSimStep,
  MachineTrace,
} from './machine-trace.js'
export { guestViews, insideView, machineFileView, metadataOf } from './machine-observe.js'
export type { ListedDisk, ListedSnapshot } from './machine-observe.js'
