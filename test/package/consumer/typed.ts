// A user's TypeScript: compiled as `nodenext` and run, compiled as `bundler` and bundled and run.
import * as main from 'backing-chain'
import * as codec from 'backing-chain/codec'
import * as simulate from 'backing-chain/simulate'
import * as testing from 'backing-chain/testing'

const names: Record<string, ReadonlyArray<string>> = {
  'backing-chain': Object.keys(main).sort(),
  'backing-chain/codec': Object.keys(codec).sort(),
  'backing-chain/simulate': Object.keys(simulate).sort(),
  'backing-chain/testing': Object.keys(testing).sort(),
}
console.log(JSON.stringify(names))
