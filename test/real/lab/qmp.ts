// A small strict QMP client over a unix socket. One greeting, one reply for each command in order, events in between;
// anything else is an error. Everything that went over the wire is kept.

import { createConnection, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fields, integer, isFields, parseJson, text, type Fields } from './json.js'

export interface QmpCommand {
  readonly execute: string
  readonly arguments?: object
}

export type QmpReply =
  | { readonly _tag: 'Return'; readonly value: unknown }
  | { readonly _tag: 'Error'; readonly class: string; readonly desc: string }

export interface QmpEvent {
  readonly event: string
  readonly data: Fields
  readonly micros: number
}

export interface WireLine {
  readonly from: 'client' | 'qemu'
  readonly message: unknown
}

export interface WaitOptions {
  /** Only events from this position in `events` on; 0 if left out, so an event that is there already counts. */
  readonly from?: number
  readonly timeoutMs?: number
}

export interface Qmp {
  readonly greeting: Fields
  /** Sends a command; an error reply is a value. Rejects only if the connection ends. */
  readonly execute: (command: QmpCommand) => Promise<QmpReply>
  /** Sends a command and gives back what it returns; rejects with an error reply's class and text. */
  readonly ask: (execute: string, args?: object) => Promise<unknown>
  /** Runs a line of the human monitor and gives back its output. */
  readonly hmp: (line: string) => Promise<string>
  /** All events so far, oldest first. */
  readonly events: ReadonlyArray<QmpEvent>
  readonly waitEvent: (matches: (event: QmpEvent) => boolean, options?: WaitOptions) => Promise<QmpEvent>
  readonly wire: ReadonlyArray<WireLine>
  /** Settles when the connection has ended, by either side. */
  readonly closed: Promise<void>
  readonly close: () => void
}

interface Pending {
  readonly resolve: (reply: QmpReply) => void
  readonly reject: (error: Error) => void
}

const connect = async (path: string, deadline: number): Promise<Socket> => {
  for (;;) {
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const attempt = createConnection(path)
      attempt.once('connect', () => {
        resolve(attempt)
      })
      attempt.once('error', () => {
        resolve(undefined)
      })
    })
    if (socket !== undefined) return socket
    if (Date.now() > deadline) throw new Error(`no QMP socket at ${path}`)
    await delay(10)
  }
}

const replyOf = (message: Fields): QmpReply | undefined => {
  if ('return' in message) return { _tag: 'Return', value: message['return'] }
  if (!isFields(message['error'])) return undefined
  return { _tag: 'Error', class: text(message['error']['class']), desc: text(message['error']['desc']) }
}

const eventOf = (message: Fields): QmpEvent | undefined => {
  if (typeof message['event'] !== 'string') return undefined
  const timestamp = fields(message['timestamp'])
  const micros = integer(timestamp['seconds']) * 1_000_000 + integer(timestamp['microseconds'])
  return { event: message['event'], data: fields(message['data'] ?? {}), micros }
}

/** Connects to a QMP socket, waiting for it to appear, and negotiates capabilities. */
export const connectQmp = async (path: string, timeoutMs = 20_000): Promise<Qmp> => {
  const socket = await connect(path, Date.now() + timeoutMs)
  const pending: Pending[] = []
  const events: QmpEvent[] = []
  const wire: WireLine[] = []
  const watchers = new Set<() => void>()
  let buffered = ''
  let ended: Error | undefined
  let greet: (greeting: Fields) => void = () => undefined
  const greeted = new Promise<Fields>((resolve) => {
    greet = resolve
  })

  const end = (reason: Error): void => {
    if (ended !== undefined) return
    ended = reason
    for (const waiting of pending.splice(0)) waiting.reject(reason)
    for (const watcher of [...watchers]) watcher()
    socket.destroy()
  }

  const receive = (line: string): void => {
    const message = fields(parseJson(line))
    wire.push({ from: 'qemu', message })
    if (isFields(message['QMP'])) {
      greet(message['QMP'])
      return
    }
    const event = eventOf(message)
    if (event !== undefined) {
      events.push(event)
      for (const watcher of [...watchers]) watcher()
      return
    }
    const reply = replyOf(message)
    const waiting = pending.shift()
    if (reply === undefined || waiting === undefined) throw new Error(`unexpected QMP message: ${line}`)
    waiting.resolve(reply)
  }

  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = (buffered + chunk).split('\n')
    buffered = lines.pop() ?? ''
    try {
      for (const line of lines) if (line.trim() !== '') receive(line)
    } catch (error) {
      end(error instanceof Error ? error : new Error(String(error)))
    }
  })
  socket.on('error', end)
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      end(new Error('QMP connection closed'))
      resolve()
    })
  })

  const execute = (command: QmpCommand): Promise<QmpReply> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) {
        reject(ended)
        return
      }
      pending.push({ resolve, reject })
      wire.push({ from: 'client', message: command })
      socket.write(`${JSON.stringify(command)}\n`)
    })

  const ask = async (command: string, args?: object): Promise<unknown> => {
    const reply = await execute(args === undefined ? { execute: command } : { execute: command, arguments: args })
    if (reply._tag === 'Return') return reply.value
    throw new Error(`${command} ${JSON.stringify(args)}: ${reply.class}: ${reply.desc}`)
  }

  const waitEvent = (matches: (event: QmpEvent) => boolean, options: WaitOptions = {}): Promise<QmpEvent> =>
    new Promise((resolve, reject) => {
      let next = options.from ?? 0
      const stop = (): void => {
        clearTimeout(timer)
        watchers.delete(look)
      }
      const look = (): void => {
        for (; next < events.length; next++) {
          const event = events[next]
          if (event === undefined || !matches(event)) continue
          stop()
          resolve(event)
          return
        }
        if (ended === undefined) return
        stop()
        reject(ended)
      }
      const timer = setTimeout(() => {
        stop()
        const seen = events.slice(options.from ?? 0).map(({ event, data }) => `${event} ${JSON.stringify(data)}`)
        reject(new Error(`the event did not come; seen instead: ${seen.join('; ')}`))
      }, options.timeoutMs ?? 30_000)
      watchers.add(look)
      look()
    })

  const greeting = await Promise.race([greeted, closed.then(() => undefined)])
  if (greeting === undefined) throw new Error('QMP connection closed before the greeting')
  await ask('qmp_capabilities')
  const hmp = async (line: string): Promise<string> =>
    text(await ask('human-monitor-command', { 'command-line': line }))
  const close = (): void => {
    end(new Error('QMP connection closed'))
  }
  return { greeting, execute, ask, hmp, events, waitEvent, wire, closed, close }
}

/** Matches a job reaching a status, whatever its type. */
export const jobStatus =
  (id: string, status: string) =>
  ({ event, data }: QmpEvent): boolean =>
    event === 'JOB_STATUS_CHANGE' && data['id'] === id && data['status'] === status

/** Matches one of the block jobs' own events, which name the job `device` or `id`. */
export const blockJob =
  (name: string, id: string) =>
  ({ event, data }: QmpEvent): boolean =>
    event === name && (data['device'] === id || data['id'] === id)
