const plain = /^[A-Za-z0-9_.,/:=@%+-]+$/

/** One word of a POSIX shell: bare where nothing in it is special, else in single quotes. */
export const shellWord = (word: string): string => (plain.test(word) ? word : `'${word.replace(/'/g, "'\\''")}'`)

/** An argument vector as one line of a POSIX shell, which splits it into the same words again. */
export const shellWords = (argv: ReadonlyArray<string>): string => argv.map(shellWord).join(' ')
