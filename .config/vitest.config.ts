import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

export const alias = [
  { find: /^backing-chain$/, replacement: `${root}src/index.ts` },
  { find: /^backing-chain\/(codec|simulate|testing)$/, replacement: `${root}src/$1/index.ts` },
]

export default defineConfig({
  root,
  resolve: { alias },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/real/**', 'test/package/**'],
    allowOnly: false,
    setupFiles: ['.config/fast-check.ts'],
    testTimeout: 120_000,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text', 'html'],
      reportsDirectory: 'coverage',
    },
  },
})
