// Native ESM, no bundler, no TypeScript: each entry named on the command line loads and names its exports.
const names = {}
for (const entry of process.argv.slice(2)) names[entry] = Object.keys(await import(entry)).sort()
console.log(JSON.stringify(names))
