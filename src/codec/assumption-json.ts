import type * as t from 'io-ts'

import type { Assumption } from '../plan/assumption.js'
import { exact, list, oneOf, size, tagged, text } from './shape.js'

const names = list(text)

/** What a plan takes for granted. */
export const assumption = tagged('_tag', {
  NoOtherReaders: exact({ _tag: oneOf('NoOtherReaders'), images: names }, {}),
  Writable: exact({ _tag: oneOf('Writable'), images: names }, {}),
  NothingAt: exact({ _tag: oneOf('NothingAt'), path: text }, {}),
  MadeBefore: exact({ _tag: oneOf('MadeBefore'), image: text, path: text }, {}),
  HoldsNothing: exact({ _tag: oneOf('HoldsNothing'), image: text, path: text }, {}),
  NoManagedSave: exact({ _tag: oneOf('NoManagedSave'), domain: text }, {}),
  SnapshotsGo: exact({ _tag: oneOf('SnapshotsGo'), image: text, snapshots: names }, {}),
  SameContents: exact({ _tag: oneOf('SameContents'), left: text, right: text }, {}),
  Closed: exact({ _tag: oneOf('Closed'), images: names }, {}),
  StartsWith: exact({ _tag: oneOf('StartsWith'), image: text, path: text, from: size }, {}),
  DeviceHolds: exact({ _tag: oneOf('DeviceHolds'), image: text, sizeBytes: size }, {}),
  RoomFor: exact({ _tag: oneOf('RoomFor'), image: text, sizeBytes: size }, {}),
  HeadersLead: exact({ _tag: oneOf('HeadersLead'), images: names }, {}),
  NoKillBeforeFlush: exact({ _tag: oneOf('NoKillBeforeFlush'), image: text, oldHeader: text }, {}),
  BitmapsStop: exact({ _tag: oneOf('BitmapsStop'), image: text, bitmaps: names }, {}),
  StaysInside: exact({ _tag: oneOf('StaysInside'), image: text, snapshot: text }, {}),
} satisfies { readonly [T in Assumption['_tag']]: t.Decoder<unknown, Assumption & { readonly _tag: T }> })
