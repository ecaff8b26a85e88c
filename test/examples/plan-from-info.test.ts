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
