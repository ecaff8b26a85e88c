// The same from a CommonJS TypeScript file, which sees the .d.cts declarations.
import main = require('backing-chain')
import codec = require('backing-chain/codec')
import simulate = require('backing-chain/simulate')
import testing = require('backing-chain/testing')

export const loaded: ReadonlyArray<object> = [main, codec, simulate, testing]
