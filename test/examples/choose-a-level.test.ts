import { expect, it } from 'vitest'
import { runExample } from './run-example.js'

it('has each disk at the first level that it has', async () => {
  const { stdout, stderr, code } = await runExample('choose-a-level.ts')
  expect([stderr, code]).toEqual(['', 0])
  expect(stdout).toContain('vda: Btrfs\nvdb: Lvm\n  not Lvm for vda: NotOffered')
  expect(stdout).toContain('\n{"execute":"stop"}\n')
})

it('says why nothing fits', async () => {
  const { stdout } = await runExample('choose-a-level.ts', ['Lvm'])
  expect(stdout).toContain('No level can take this snapshot of disk vda:')
})
