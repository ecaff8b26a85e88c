import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { runExample } from './run-example.js'

const info = await readFile('examples/captured/qemu-img-info.json', 'utf8')
const plan = (...args: ReadonlyArray<string>) => runExample('plan-from-info.ts', args, info)

it('plans a commit on what qemu-img printed', async () => {
  const { stdout, code } = await plan('/images/disk.tuesday', '/images/disk.monday')
  expect(code).toBe(0)
  expect(stdout.slice(stdout.indexOf('Calls:')).trimEnd().split('\n')).toEqual([
    'Calls:',
    'qemu-img commit -f qcow2 -b /images/disk.monday -d /images/disk.tuesday',
    'qemu-img rebase -u -f qcow2 -F qcow2 -b /images/disk.monday /images/disk.wednesday',
    'qemu-img info --backing-chain --output=json /images/disk.wednesday',
  ])
})

it('takes the active image with a decision', async () => {
  const { stdout, code } = await plan('/images/disk.wednesday', '/images/disk.qcow2', 'pivot')
  expect(code).toBe(0)
  expect(stdout).toContain('it then writes /images/disk.qcow2 instead of /images/disk.wednesday.')
})

it('says why there is no plan', async () => {
  const { stderr, code } = await plan('/images/disk.monday', '/images/disk.tuesday')
  expect(code).toBe(1)
  expect(stderr).toContain('/images/disk.monday is not above /images/disk.tuesday')
})

it('says what is wrong with the input', async () => {
  const { stderr, code } = await runExample('plan-from-info.ts', ['a', 'b'], '{')
  expect(code).toBe(1)
  expect(stderr).toContain('TextWrong')
})

it('compares it with the jobs of a storage daemon', async () => {
  const args = ['/images/disk.tuesday', '/images/disk.monday']
  const { stdout, stderr, code } = await runExample('compare-offline.ts', args, info)
  expect([stderr, code]).toEqual(['', 0])
  const [, withQemuImg = '', withDaemon = ''] = stdout.split('\n== ')
  const lines = (of: string) => of.split('\n').filter((line) => line !== '' && !line.startsWith('# '))
  expect(lines(withQemuImg)[1]).toBe('qemu-img commit -f qcow2 -b /images/disk.monday -d /images/disk.tuesday')
  expect(lines(withDaemon)[1]).toMatch(/^qemu-storage-daemon --blockdev /)
  expect(withDaemon).toContain('"block-commit"')
  expect(lines(withDaemon).at(-1)).toContain('"quit"')
  const refused = await runExample('compare-offline.ts', [...args].reverse(), info)
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('is not above')])
})
