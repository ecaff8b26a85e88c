import { defineConfig } from 'tsup'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'codec/index': 'src/codec/index.ts',
    'simulate/index': 'src/simulate/index.ts',
    'testing/index': 'src/testing/index.ts',
  },
  outDir: 'dist',
  tsconfig: '.config/tsconfig.src.json',
  format: ['esm', 'cjs'],
  platform: 'neutral',
  target: 'es2022',
  dts: true,
  splitting: true,
  sourcemap: true,
  treeshake: true, // through rollup, whose maps name no path of this machine
  clean: true,
})
