import '../examples/executors.real.js'
