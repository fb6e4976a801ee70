import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../src/lib/seeded-random.ts';
import type { CallLog } from '../../src/protocol/calls.ts';
import { CommClient, isCommError, type CallSession } from '../../src/index.ts';
import type { Storm } from '../faults/server-bed.ts';
import { FakePlatform } from '../helpers/client/fake-media.ts';
import { patientClock } from '../helpers/client/patient-clock.ts';
import type { Cluster } from './cluster.ts';

/** Far more than a slow machine takes. */
const WITHIN_MS = 120_000;
const POLL_MS = 50;
/** Longer than all waits: a call that the server never ends is found, instead of ended by the client. */
const RING_TIMEOUT_MS = 600_000;
/** The server ends a call whose devices are away for 25 s. A call survives every absence that is clearly shorter. */
const SURVIVED_MS = 15_000;

/** A device with calls. Media is simulated: a link connects when an offer is answered. */
class Phone {
  readonly userId: string;
  readonly client: CommClient;
  /** Every call of the device, in order. */
  readonly calls: CallSession[] = [];
  /** Longest time in ms without a connection. */
  longestAwayMs = 0;
  #awaySince: number | undefined;

  constructor(userId: string, url: string) {
    this.userId = userId;
    const calls = { platform: new FakePlatform(), ringTimeoutMs: RING_TIMEOUT_MS };
    this.client = new CommClient({ url, userId, calls, clock: patientClock(), requestTimeoutMs: WITHIN_MS / 2 });
    this.client.on('call', (call) => this.calls.push(call));
    this.client.on('status', (status) => {
      const now = performance.now();
      this.longestAwayMs = Math.max(this.longestAwayMs, now - (this.#awaySince ?? now));
      this.#awaySince = status === 'connected' ? undefined : (this.#awaySince ?? now);
    });
  }

  /** Returns an incoming call. */
  find(callId: string): CallSession | undefined {
    // Outgoing calls that were refused have no id.
    return this.calls.find(({ id, direction }) => direction === 'incoming' && id === callId);
  }

  async call(conversationId: string, userId: string): Promise<CallSession> {
    const call = await this.client.calls.start({ conversationId, type: 'audio', calleeIds: [userId] });
    this.calls.push(call);
    return call;
  }
}

/**
 * Users on several processes who call each other while the servers fail: two of them are in one call all the time, another two
 * call each other again and again.
 */
export class CallUsers implements AsyncDisposable {
  readonly problems: string[] = [];
  readonly figures = { calls: 0, 'answered calls': 0, 'lasting calls': 0 };
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #lasting: readonly [Phone, Phone];
  /** The second user has two devices. */
  readonly #others: readonly [Phone, Phone, Phone];
  readonly #conversations: readonly string[];

  private constructor(cluster: Cluster, random: Random, phones: readonly Phone[], conversations: readonly string[]) {
    const [eve, fay, gus, hal, second] = phones;
    if (!eve || !fay || !gus || !hal || !second) throw new Error('Five devices call');
    this.#cluster = cluster;
    this.#random = random;
    this.#lasting = [eve, fay];
    this.#others = [gus, hal, second];
    this.#conversations = conversations;
  }

  /** Connects the users, and starts the call that lasts. @param originOf - origin that prefers a process, by its number */
  static async start(cluster: Cluster, random: Random, originOf: (at: number) => string): Promise<CallUsers> {
    const devices = ['eve', 'fay', 'gus', 'hal', 'hal'];
    const phones = devices.map((userId, at) => new Phone(userId, originOf(at)));
    await Promise.all(phones.map(({ client }) => client.connect()));
    const create = async (at: number, other: string): Promise<string> => {
      const created = await phones[at]?.client.conversations.create({ type: 'direct', participantIds: [other] });
      return created?.id ?? '';
    };
    const conversations = await Promise.all([create(0, 'fay'), create(2, 'hal')]);
    const users = new CallUsers(cluster, random, phones, conversations);
    await users.#startLasting();
    return users;
  }

  async #startLasting(): Promise<void> {
    const [eve, fay] = this.#lasting;
    const call = await eve.call(this.#conversations[0] ?? '', 'fay');
    await this.#until('the lasting call rings', () => fay.find(call.id) !== undefined);
    await fay.find(call.id)?.accept();
    await this.#until('the lasting call is connected', () => this.#isConnected());
  }

  #isConnected(): boolean {
    return this.#lasting.every(({ calls }) => calls.at(-1)?.state === 'connected');
  }

  /** Calls until the storm is over. */
  async run(storm: Storm): Promise<void> {
    await Promise.all([this.#mute(storm), this.#callOften(storm)]);
  }

  /** The users of the lasting call turn their microphones on and off. */
  async #mute(storm: Storm): Promise<void> {
    const random = this.#random.fork('mutes');
    while (!storm.over) {
      const call = random.pick(this.#lasting).calls.at(-1);
      if (call?.state !== 'ended') await call?.setAudio(random.chance(0.5));
      await pause(random.between(50, 500));
    }
  }

  async #callOften(storm: Storm): Promise<void> {
    const random = this.#random.fork('calls');
    while (!storm.over) {
      await this.#callOnce(random);
      const isFree = (): boolean => this.#others.every(({ client }) => client.calls.all.length === 0);
      // The call has been hung up: whatever fails meanwhile, it must end on each device.
      if (!(await this.#until('a call has ended everywhere', isFree))) return;
      await pause(random.between(0, 300));
    }
  }

  async #callOnce(random: Random): Promise<void> {
    const [gus, hal, second] = this.#others;
    const isFromGus = random.chance(0.5);
    const caller = isFromGus ? gus : random.pick([hal, second]);
    const callee = isFromGus ? random.pick([hal, second]) : gus;
    const [dice, isCallerLast, waitMs] = [random.next(), random.chance(0.5), random.between(0, 1_000)];
    const call = await refused(caller.call(this.#conversations[1] ?? '', callee.userId));
    if (call === undefined) return;
    this.figures.calls += 1;
    if (dice < 0.8) {
      await this.#until('a call rings', () => callee.find(call.id) !== undefined || call.state === 'ended');
      const incoming = callee.find(call.id);
      if (dice < 0.2) return incoming?.reject();
      await refused(incoming?.accept());
      await this.#until('a call is connected', () => ['connected', 'ended'].includes(call.state));
      if (call.state === 'connected') this.figures['answered calls'] += 1;
      if (!isCallerLast && incoming !== undefined) {
        await pause(waitMs);
        return incoming.hangup();
      }
    }
    await pause(waitMs);
    call.hangup();
  }

  /** Checks, when the faults have ended, that each end and the rows agree, and ends the calls. */
  async check(): Promise<void> {
    await this.#checkLasting();
    await this.#until('all calls have ended', () =>
      [...this.#lasting, ...this.#others].every(({ client }) => client.calls.all.length === 0),
    );
    await this.#checkRows();
  }

  async #checkLasting(): Promise<void> {
    const [[eve, one], [fay, other]] = this.#lasting.map((phone) => [phone, phone.calls.at(-1)] as const) as [
      [Phone, CallSession],
      [Phone, CallSession],
    ];
    const isEnded = (): boolean => one.state === 'ended' && other.state === 'ended';
    await this.#until('both ends of the lasting call agree', () => isEnded() || agree(eve, one, fay, other));
    if (isEnded()) {
      const away = Math.round(Math.max(eve.longestAwayMs, fay.longestAwayMs));
      if (away < SURVIVED_MS) this.problems.push(`the lasting call ended (${text(one)}, ${text(other)}), away ${away}`);
      return;
    }
    this.figures['lasting calls'] += 1;
    (this.#random.chance(0.5) ? one : other).hangup();
    await this.#until('the lasting call ends', isEnded);
    const reasons = [one, other].map(({ endReason }) => endReason).join(' ');
    if (reasons !== 'completed completed') this.problems.push(`the lasting call ended as ${reasons}`);
  }

  /** No call runs in the rows, and each has left its message once. */
  async #checkRows(): Promise<void> {
    let rows: readonly { id: string; state: string; logged: number }[] = [];
    await this.#until('no call remains in the rows', async () => {
      rows = (await this.#cluster.query('select id, state, logged from comm_calls')) as typeof rows;
      return rows.every(({ state, logged }) => logged === 1 && isEndedRecord(state));
    });
    const logs = (await this.#cluster.query(`select content from messages where type = 'call'`)) as {
      content: string;
    }[];
    const logged = logs.map(({ content }) => (JSON.parse(content) as CallLog).callId);
    const phones = [...this.#lasting, ...this.#others];
    const ids = new Set(phones.flatMap(({ calls }) => calls.map(({ id }) => id)).filter((id) => id !== ''));
    for (const id of ids) {
      const count = logged.filter((each) => each === id).length;
      if (count !== 1) this.problems.push(`call ${id} has ${count} messages`);
    }
  }

  async #until(what: string, isSo: () => boolean | Promise<boolean>): Promise<boolean> {
    const deadline = performance.now() + WITHIN_MS;
    while (!(await isSo())) {
      if (performance.now() > deadline) {
        const phones = [...this.#lasting, ...this.#others];
        const states = phones.flatMap(({ userId, calls }) => calls.slice(-1).map((call) => `${userId}: ${text(call)}`));
        this.problems.push(`never: ${what} (${states.join(', ')})`);
        return false;
      }
      await pause(POLL_MS);
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#lasting, ...this.#others].map(({ client }) => client[Symbol.asyncDispose]()));
  }
}

/** Returns the answer; `undefined` if the server or the client refused the request. */
async function refused<T>(request: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isCommError(error)) return undefined;
    throw error;
  }
}

function text({ id, state, endReason }: CallSession): string {
  return [id, state, endReason].filter(Boolean).join(' ');
}

function isEndedRecord(state: string): boolean {
  return (JSON.parse(state) as { state: string }).state === 'ended';
}

/** Both devices are connected in one call, with the same participants, and know what the other one sends. */
function agree(eve: Phone, one: CallSession, fay: Phone, other: CallSession): boolean {
  const people = ({ participants }: CallSession): string =>
    participants.map(({ userId, audioMuted }) => `${userId} ${audioMuted}`).join(', ');
  const isMuted = (call: CallSession, userId: string): boolean | undefined =>
    call.participants.find((each) => each.userId === userId)?.audioMuted;
  return (
    [one, other].every(({ state, id }) => state === 'connected' && id === one.id) &&
    people(one) === people(other) &&
    isMuted(one, eve.userId) === one.getSnapshot().audioMuted &&
    isMuted(other, fay.userId) === other.getSnapshot().audioMuted
  );
}
