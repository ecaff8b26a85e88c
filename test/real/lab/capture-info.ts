// Fixtures of `qemu-img info --output=json`: single, --backing-chain, and what it says when it fails.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { binary } from './binaries.js'
import { runOk } from './exec.js'
import type { Capture } from './fixture.js'
import { createImages } from './images.js'

const mib = 1048576

const keepInfo = async ({ attempt, keep }: Capture, name: string, file: string): Promise<void> => {
  for (const [kind, option] of [
    ['single', []],
    ['chain', ['--backing-chain']],
  ] as const) {
    const ran = await attempt('qemu-img', 'info', ...option, '--output=json', file)
    if (ran.code === 0) await keep(`info/${name}.${kind}.json`, ran.stdout)
    else await keep(`info/${name}.${kind}.error.txt`, ran.stderr)
  }
}

/** Creates overlays on a chain: the first name is the base, each next one's header names the one before as given. */
const layers = async (
  capture: Capture,
  names: ReadonlyArray<string>,
  header: (name: string) => string,
): Promise<void> => {
  await createImages(
    names.map((name, depth) => ({
      path: capture.at(name),
      format: 'qcow2',
      sizeBytes: mib,
      cells: `${'-'.repeat(depth * 2)}ab0c`,
      ...(depth === 0 ? {} : { backing: { header: header(names[depth - 1] ?? ''), format: 'qcow2' } }),
    })),
    capture.version,
  )
}

const plainChains = async (capture: Capture): Promise<void> => {
  const relative = ['base.qcow2', 'snap1.qcow2', 'snap2.qcow2', 'active.qcow2']
  await layers(capture, relative, (name) => name)
  await keepInfo(capture, 'relative', 'active.qcow2')
  await keepInfo(capture, 'relative-opened-by-absolute-path', capture.at('active.qcow2'))
  await layers(capture, ['abs-base.qcow2', 'abs-1.qcow2', 'abs-2.qcow2', 'abs-active.qcow2'], capture.at)
  await keepInfo(capture, 'absolute', capture.at('abs-active.qcow2'))
  await layers(capture, ['fork.qcow2', 'left1.qcow2', 'left2.qcow2'], (name) => name)
  await capture.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', 'fork.qcow2', '-F', 'qcow2', 'right.qcow2')
  for (const name of ['left2', 'right', 'fork']) await keepInfo(capture, `branch-${name}`, `${name}.qcow2`)
  const odd = ['sp ace.qcow2', 'new\nline.qcow2', `quo"t'e.qcow2`, '-dash.qcow2', 'co:lon.qcow2', '<- x & y.qcow2']
  await layers(capture, odd, (name) => `./${name}`)
  await keepInfo(capture, 'odd-names', './<- x & y.qcow2')
}

const bases = async ({ tool, at, ...capture }: Capture): Promise<void> => {
  const whole = { tool, at, ...capture }
  const overlay = async (
    name: string,
    base: string,
    format: string,
    options: ReadonlyArray<string> = [],
  ): Promise<void> => {
    await tool('qemu-img', 'create', '-q', '-f', 'qcow2', ...options, '-b', base, '-F', format, `${name}.qcow2`)
    await keepInfo(whole, name, `${name}.qcow2`)
  }
  await createImages([{ path: at('base.raw'), format: 'raw', sizeBytes: mib, cells: 'ab-c' }], capture.version)
  await overlay('raw-base', 'base.raw', 'raw')
  await tool('qemu-img', 'create', '-q', '-f', 'vmdk', 'base.vmdk', '1M')
  await overlay('vmdk-base', 'base.vmdk', 'vmdk')
  await tool('qemu-img', 'create', '-q', '-f', 'qed', 'base.qed', '1M')
  await overlay('qed-base', 'base.qed', 'qed')
  await tool('qemu-img', 'create', '-q', '-f', 'qed', '-b', 'base.qed', '-F', 'qed', 'overlay.qed')
  await keepInfo(whole, 'qed-overlay', 'overlay.qed')
  await tool('qemu-img', 'create', '-q', '-f', 'vmdk', '-b', 'base.vmdk', '-F', 'vmdk', 'overlay.vmdk')
  await keepInfo(whole, 'vmdk-overlay', 'overlay.vmdk')
  await createImages(
    [
      { path: at('size-base'), format: 'qcow2', sizeBytes: 2 * mib, cells: 'a' },
      {
        path: at('size-mid'),
        format: 'qcow2',
        sizeBytes: mib,
        cells: 'b',
        backing: { header: 'size-base', format: 'qcow2' },
      },
      {
        path: at('size-top'),
        format: 'qcow2',
        sizeBytes: 3 * mib,
        cells: 'c',
        backing: { header: 'size-mid', format: 'qcow2' },
      },
    ],
    capture.version,
  )
  await keepInfo(whole, 'unequal-sizes', 'size-top')
}

// As old programs wrote it; qemu-img refuses to. The header extension that holds the format gets a type nobody knows.
const forgetBackingFormat = async (path: string): Promise<void> => {
  const bytes = await readFile(path)
  const extension = bytes.indexOf(Buffer.from([0xe2, 0x79, 0x2a, 0xca]))
  bytes.write('none', extension, 'latin1')
  await writeFile(path, bytes)
}

const features = async (capture: Capture): Promise<void> => {
  const { tool } = capture
  const create = (name: string, ...options: ReadonlyArray<string>): Promise<string> =>
    tool('qemu-img', 'create', '-q', '-f', 'qcow2', ...options, `${name}.qcow2`, '1M')
  await create('internal-snapshots')
  for (const name of ['first', 'second "quoted"'])
    await tool('qemu-img', 'snapshot', '-c', name, 'internal-snapshots.qcow2')
  await create('bitmaps')
  await tool('qemu-img', 'bitmap', '--add', 'bitmaps.qcow2', 'b0')
  await tool('qemu-img', 'bitmap', '--add', '--disable', '-g', '32768', 'bitmaps.qcow2', 'b1')
  // QEMU 7.2 cannot time the key derivation on a fast machine: "Unable to get accurate CPU usage".
  const luks = ['encrypt.format=luks', 'encrypt.key-secret=s', 'encrypt.iter-time=10']
  const secret = ['--object', 'secret,id=s,data=fixture', ...luks.flatMap((option) => ['-o', option])]
  const encrypted = ['create', '-q', '-f', 'qcow2', ...secret, capture.at('encrypted.qcow2'), '1M']
  await runOk([binary('10.0', 'qemu-img'), ...encrypted])
  await create('data-file', '-o', 'data_file=data.raw,data_file_raw=on')
  await create('compat-0.10', '-o', 'compat=0.10')
  await create('extended-l2', '-o', 'extended_l2=on,cluster_size=131072')
  await create('zstd-lazy', '-o', 'compression_type=zstd,lazy_refcounts=on')
  await create('over-encrypted', '-u', '-b', 'encrypted.qcow2', '-F', 'qcow2')
  await create('no-backing-format', '-u', '-b', 'bitmaps.qcow2', '-F', 'qcow2')
  await forgetBackingFormat(capture.at('no-backing-format.qcow2'))
  for (const name of [
    'internal-snapshots',
    'bitmaps',
    'encrypted',
    'data-file',
    'compat-0.10',
    'extended-l2',
    'zstd-lazy',
  ])
    await keepInfo(capture, name, `${name}.qcow2`)
  for (const name of ['over-encrypted', 'no-backing-format']) await keepInfo(capture, name, `${name}.qcow2`)
}

const broken = async (capture: Capture): Promise<void> => {
  const unsafe = (name: string, backing: string): Promise<string> =>
    capture.tool('qemu-img', 'create', '-q', '-u', '-f', 'qcow2', '-b', backing, '-F', 'qcow2', `${name}.qcow2`, '1M')
  await unsafe('loop', 'loop-other.qcow2')
  await unsafe('loop-other', 'loop.qcow2')
  await unsafe('self', './self.qcow2')
  await unsafe('missing', 'not-there.qcow2')
  await unsafe('wrong-format', 'text.qcow2')
  await unsafe('unknown-protocol', 'a:b.qcow2')
  await capture.tool('qemu-img', 'create', '-q', '-f', 'raw', 'text.qcow2', '1M')
  const names = ['loop', 'self', 'missing', 'wrong-format', 'unknown-protocol']
  for (const name of names) await keepInfo(capture, name, `${name}.qcow2`)
}

const network = async (capture: Capture): Promise<void> => {
  const socket = capture.at('nbd.sock')
  await capture.tool('qemu-img', 'create', '-q', '-f', 'raw', 'exported.raw', '1M')
  const server = spawn('qemu-nbd', [
    '--persistent',
    '--read-only',
    `--socket=${socket}`,
    '-f',
    'raw',
    capture.at('exported.raw'),
  ])
  try {
    while (!existsSync(socket) && server.exitCode === null) await delay(10)
    const file = { driver: 'nbd', server: { type: 'unix', path: socket } }
    const backing = [
      ['json-nbd', `json:${JSON.stringify({ driver: 'raw', file })}`],
      ['uri-nbd', `nbd+unix:///?socket=${socket}`],
    ] as const
    for (const [name, header] of backing) {
      await capture.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', header, '-F', 'raw', `${name}.qcow2`)
      await keepInfo(capture, name, `${name}.qcow2`)
    }
  } finally {
    server.kill()
  }
}

/** Captures all of them with one version of QEMU. */
export const captureInfo = async (capture: Capture): Promise<void> => {
  for (const part of [plainChains, bases, features, broken, network]) await part(capture)
}
