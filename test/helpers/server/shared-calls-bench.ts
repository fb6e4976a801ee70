import { DatabaseSync } from 'node:sqlite';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { Call } from '../../../src/protocol/calls.ts';
import type { Capability } from '../../../src/protocol/constants.ts';
import { CommError } from '../../../src/protocol/errors.ts';
import type { CallRecord } from '../../../src/server/cluster/call-record.ts';
import type { Device } from '../../../src/server/cluster/ephemera.ts';
import { resolveConfig } from '../../../src/server/config.ts';
import { markCallLogged } from '../../../src/server/store/queries/shared-calls.ts';
import { SharedCalls } from '../../../src/server/services/calls/shared-calls.ts';
import { resolveLimits } from '../../../src/server/services/limits/server-limits.ts';
import { UserBudgets } from '../../../src/server/services/limits/user-budgets.ts';
import type { Caller } from '../../../src/server/services/ports.ts';
import { createStore, type Store } from '../../../src/server/store/store.ts';
import { manualClock, type ManualClock } from '../manual-clock.ts';
import { RecordingBroadcaster } from './recording-broadcaster.ts';

/** A process of {@link SharedCallsBench}. Devices are named `<user>/<device>`; `modern` in the name shows waiting calls. */
export class BenchProcess {
  readonly calls: SharedCalls;
  readonly broadcaster = new RecordingBroadcaster();
  /** Whether pushes reach the other processes. */
  hasBus = true;
  hasDatabase = true;
  /** Number of reads and writes that failed because there was no database. */
  refused = 0;
  readonly #bench: SharedCallsBench;
  readonly connected = new Set<string>();

  constructor(bench: SharedCallsBench, processId: string, clock: ManualClock) {
    this.#bench = bench;
    const { broadcaster, connected } = this;
    this.calls = new SharedCalls({
      store: {
        read: (work) => this.#available(() => bench.store.read(work)),
        write: (...args) => this.#available(() => bench.store.write(...args)),
      },
      clock,
      logger: silentLogger,
      config: resolveConfig(),
      processId,
      newId: () => bench.newId(),
      broadcaster: {
        toUser: (userId, push, options) => broadcaster.toUser(userId, push, options),
        toSocket: (socketId, push) => broadcaster.toSocket(socketId, push),
        toUserWith: (userId, capability, push) => broadcaster.toUser(`${userId} with ${capability}`, push),
        isConnected: (socketId) => connected.has(socketId),
        socketsWith: () => [],
      },
      budgets: new UserBudgets(resolveLimits(false), clock),
      contacts: { require: () => Promise.resolve() },
      membersFor: (userId) => bench.membersFor(userId),
      blockersOf: () => Promise.resolve(new Set()),
      isUserOnline: (userId) => devicesOf(connected, userId).length > 0,
      reachesProcesses: () => this.hasBus,
      devicesElsewhere: (userId) =>
        bench.processes.filter((each) => each !== this).flatMap((each) => devicesOf(each.connected, userId)),
      runningCallChanged: () => void (bench.runningCallChanges += 1),
      log: (call) => bench.log(call),
    });
  }

  #available<T>(work: () => Promise<T>): Promise<T> {
    if (this.hasDatabase) return work();
    this.refused += 1;
    return Promise.reject(new CommError('UNAVAILABLE', 'The database is unavailable'));
  }

  async connect(device: string): Promise<Caller> {
    const caller = this.device(device);
    this.connected.add(device);
    this.calls.deviceConnected(caller);
    await this.calls.idle();
    return caller;
  }

  async disconnect(device: string): Promise<void> {
    this.connected.delete(device);
    this.calls.deviceDisconnected(this.device(device));
    await this.calls.idle();
  }

  device(device: string): Caller {
    const caps = new Set<Capability>(isModern(device) ? ['call-waiting'] : []);
    return { userId: device.split('/')[0] ?? '', socketId: device, caps };
  }

  dial(device: string, calleeIds: string[], deviceId?: string): Promise<Call> {
    return this.calls.initiate(this.device(device), { conversationId: 'c', type: 'audio', calleeIds, deviceId });
  }

  answer(device: string, callId: string, deviceId?: string): Promise<Call> {
    return this.calls.respond(this.device(device), { callId, action: 'accept', deviceId });
  }

  /** What was pushed since the last call, as `event > to`. */
  told(): string[] {
    return this.broadcaster.take();
  }

  /** Ends the process, without a trace. */
  kill(): void {
    this.#bench.processes.splice(this.#bench.processes.indexOf(this), 1);
  }
}

/** Processes that hold calls together in one database. Each has a clock of its own, so that a test can stop one of them. */
export class SharedCallsBench {
  readonly database = new DatabaseSync(':memory:');
  readonly store: Store = createStore(this.database, silentLogger);
  readonly processes: BenchProcess[] = [];
  readonly logged: CallRecord[] = [];
  runningCallChanges = 0;
  readonly #clocks = new Map<BenchProcess, ManualClock>();
  #ids = 0;
  readonly #logging: Promise<void>[] = [];

  /** Starts a process. */
  async start(processId: string): Promise<BenchProcess> {
    await this.store.ready;
    const clock = manualClock();
    const [first] = this.#clocks.values();
    if (first !== undefined) clock.sleep(first.now() - clock.now());
    const process = new BenchProcess(this, processId, clock);
    this.processes.push(process);
    this.#clocks.set(process, clock);
    await process.calls.start();
    return process;
  }

  /** Members of the conversation. */
  readonly members = new Set(['alice', 'bob', 'carol', 'dave']);
  /** Called once, after the members were read and before the answer is used. */
  onMembersRead: (() => Promise<void>) | undefined;

  async membersFor(userId: string): Promise<readonly string[]> {
    const read = [...this.members];
    const { onMembersRead } = this;
    this.onMembersRead = undefined;
    await onMembersRead?.();
    if (!read.includes(userId)) throw new CommError('NOT_FOUND', 'Conversation not found');
    return read;
  }

  newId(): string {
    return `call-${(this.#ids += 1)}`;
  }

  log(call: CallRecord): void {
    this.logged.push(call);
    const deletedAt = (call.endedAt ?? 0) + 60_000;
    this.#logging.push(this.store.write(() => markCallLogged(call.id, deletedAt)));
  }

  /** Lets time pass in steps, and waits after each for what the running processes do. */
  async advance(ms: number, stepMs = 500): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      for (const [process, clock] of this.#clocks) {
        if (this.processes.includes(process)) clock.advance(stepMs);
      }
      for (const { calls } of this.processes) await calls.idle();
      await Promise.all(this.#logging.splice(0));
    }
  }
}

function devicesOf(connected: ReadonlySet<string>, userId: string): Device[] {
  const sockets = [...connected].filter((id) => id.startsWith(`${userId}/`));
  return sockets.map((socketId) => ({ socketId, status: 'online', showsWaiting: isModern(socketId) }));
}

function isModern(device: string): boolean {
  return device.includes('modern');
}
