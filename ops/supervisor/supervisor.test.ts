import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { type Program, type Supervisor, supervise } from './supervisor.ts'
import type { SupervisorEvent } from './supervisor-event.ts'

const PATIENT = 'process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1000); console.log("ready")'
const STUBBORN = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("ready")'

describe('the supervisor', () => {
  let directory: string
  let supervisor: Supervisor | undefined
  let events: SupervisorEvent[]

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-supervisor-'))
    events = []
  })

  afterEach(async () => {
    supervisor?.hurry()
    await supervisor?.[Symbol.asyncDispose]()
    supervisor = undefined
    rmSync(directory, { recursive: true })
  })

  function program(code: string): Program {
    return {
      name: 'worker',
      command: process.execPath,
      args: ['-e', code],
      env: process.env,
      logFile: join(directory, 'log', 'worker.log'),
      pidFile: join(directory, 'pid', 'worker'),
    }
  }

  async function start(code: string, graceMs = 5_000): Promise<Supervisor> {
    supervisor = await supervise({
      programs: [program(code)],
      happened: (event) => events.push(event),
      random: () => 0.5,
      graceMs,
      backoff: { baseMs: 20, maxMs: 100 },
    })
    return supervisor
  }

  function log(): string {
    return existsSync(join(directory, 'log', 'worker.log')) ? readFileSync(join(directory, 'log', 'worker.log'), 'utf8') : ''
  }

  async function until(condition: () => boolean): Promise<void> {
    for (let waited = 0; !condition(); waited += 10) {
      if (waited > 5_000) throw new Error(`did not happen; events: ${JSON.stringify(events)}, log: ${log()}`)
      await delay(10)
    }
  }

  const tags = (): readonly string[] => events.map(({ tag }) => tag)

  it('starts a program again that was killed, with its new PID in the file', async () => {
    const running = await start(PATIENT)
    await until(() => log().includes('ready'))
    const first = Number(readFileSync(join(directory, 'pid', 'worker'), 'utf8'))
    expect(running.pids().get('worker')).to.equal(first)
    process.kill(first, 'SIGKILL')
    await until(() => log().split('ready').length === 3)
    const second = Number(readFileSync(join(directory, 'pid', 'worker'), 'utf8'))
    expect(second).not.to.equal(first)
    expect(events[1]).to.include({ tag: 'ended', name: 'worker', how: 'SIGKILL', pauseMs: 10 })
  })

  it('says the exit code, and waits longer from failure to failure', async () => {
    await start('process.exit(3)')
    await until(() => tags().filter((tag) => tag === 'ended').length >= 3)
    const ended = events.flatMap((event) => (event.tag === 'ended' ? [event] : []))
    expect(ended.slice(0, 3).map(({ how, pauseMs }) => [how, pauseMs])).to.deep.equal([
      ['exit code 3', 10],
      ['exit code 3', 20],
      ['exit code 3', 40],
    ])
  })

  it('says so when a program cannot be started at all', async () => {
    const missing = { ...program(''), command: '/nowhere/millrace' }
    supervisor = await supervise({
      programs: [missing],
      happened: (event) => events.push(event),
      random: () => 0.5,
      graceMs: 100,
      backoff: { baseMs: 20, maxMs: 20 },
    })
    await until(() => tags().includes('ended'))
    expect(events[0]).to.have.property('how').that.includes('ENOENT')
  })

  it('stops cleanly, and removes the PID file', async () => {
    const running = await start(PATIENT)
    await until(() => log().includes('ready'))
    await running[Symbol.asyncDispose]()
    expect(events.at(-1)).to.deep.equal({ tag: 'stopped', name: 'worker', how: 'exit code 0' })
    expect(existsSync(join(directory, 'pid', 'worker'))).to.equal(false)
    await running[Symbol.asyncDispose]()
  })

  it('lets a program with a niceness make way for the others, with its whole session', async () => {
    const nice = { ...program(PATIENT), niceness: 7 }
    supervisor = await supervise({ programs: [nice], happened: (event) => events.push(event), random: () => 0.5, graceMs: 5_000 })
    await until(() => log().includes('ready'))
    const pid = supervisor.pids().get('worker') as number
    expect(getPriority(pid)).to.equal(7)
    const autogroup = `/proc/${pid}/autogroup`
    if (existsSync(autogroup)) expect(readFileSync(autogroup, 'utf8')).to.match(/ nice 7$/m)
  })

  it('kills what does not stop in time, and says so', async () => {
    const running = await start(STUBBORN, 200)
    await until(() => log().includes('ready'))
    await running[Symbol.asyncDispose]()
    expect(tags()).to.deep.equal(['started', 'killed', 'stopped'])
    expect(events.at(-1)).to.include({ how: 'SIGKILL' })
  })

  it('ends what an earlier supervisor left running', async () => {
    const { command, args, pidFile } = program(PATIENT)
    const orphan = spawn(command, args, { detached: true, stdio: 'ignore' })
    const gone = new Promise<void>((resolve) => orphan.once('exit', () => resolve()))
    mkdirSync(join(directory, 'pid'))
    writeFileSync(pidFile, `${orphan.pid}\n`)
    await start(PATIENT)
    await gone
    expect(events).to.deep.include({ tag: 'leftover-ended', name: 'worker', pid: orphan.pid })
  })

  it('leaves a process alone that has the PID of a file by accident', async () => {
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
    try {
      mkdirSync(join(directory, 'pid'))
      writeFileSync(program(PATIENT).pidFile, `${bystander.pid}\n`)
      await start(PATIENT)
      await until(() => log().includes('ready'))
      expect(tags()).to.deep.equal(['started'])
      expect(bystander.exitCode).to.equal(null)
    } finally {
      bystander.kill('SIGKILL')
    }
  })
})
