import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

export const alias = [
  { find: /^backing-chain$/, replacement: `${root}src/index.ts` },
  { find: /^backing-chain\/(codec|simulate|testing)$/, replacement: `${root}src/$1/index.ts` },
]

// What one file has loaded the next one in its worker need not: nothing here keeps anything for itself.
export default defineConfig({
  root,
  resolve: { alias },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/real/**', 'test/package/**'],
    allowOnly: false,
    isolate: false,
    maxWorkers: '100%',
    setupFiles: ['.config/fast-check.ts'],
    testTimeout: 300_000,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text', 'html'],
      reportsDirectory: 'coverage',
    },
  },
})
