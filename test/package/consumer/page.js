// What a web page loads: the main entry and the codec, and nothing of Node.
import * as main from 'backing-chain'
import * as codec from 'backing-chain/codec'

document.getElementById('result').textContent =
  `loaded: ${Object.keys(main).length} and ${Object.keys(codec).length} exports, process is ${typeof process}`
