import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { alias } from './vitest.config.js'

// Real QEMU and real libvirt. Every file has its own daemon, folders and sockets; two go beside each other, and what
// one has loaded the next one in its worker need not.
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  resolve: { alias },
  test: {
    include: ['test/real/**/*.test.ts'],
    allowOnly: false,
    setupFiles: ['.config/fast-check.ts'],
    isolate: false,
    maxWorkers: 2,
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
})
