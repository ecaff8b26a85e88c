import '../examples/executors.real.js'
import '../examples/snapshots.real.js'
