import { uuidv7 } from '../../lib/ids.ts';
import type { Call, CallSeat, HangUp, InitiateCall } from '../../protocol/calls.ts';
import { isCommError } from '../../protocol/errors.ts';
import type { RequestName, RequestOf } from '../../protocol/events.ts';
import type { CallFailure } from '../../protocol/vocabulary.ts';
import type { ClientContext } from '../context.ts';
import type { CallEvent } from './call-machine.ts';
import type { OutgoingSignal, SignalPort } from './media-backend.ts';
import { readCall } from './read-calls.ts';

/** How much is kept while the socket is down; what comes after it is lost, and the media side recovers by itself. */
const MAX_QUEUED = 512;

const REQUESTS = {
  offer: 'signal:offer',
  answer: 'signal:answer',
  candidate: 'signal:ice-candidate',
  'ice-restart': 'signal:ice-restart',
} as const satisfies Record<OutgoingSignal['kind'], RequestName>;

type Farewell = { readonly action: 'reject' } | Pick<HangUp, 'reason' | 'detail'>;

/** What one call says to the server, over one connection after another. */
export class CallLine implements SignalPort {
  readonly deviceId: string;
  readonly #context: ClientContext;
  readonly #seals: () => Promise<boolean>;
  readonly #settled: () => void;
  readonly #clientId = uuidv7();
  readonly #queue: OutgoingSignal[] = [];
  readonly #upListeners = new Set<() => void>();
  #id = '';
  #up: boolean;
  /** Asked for once: what the others were told stays so. */
  #sealing: Promise<boolean> | undefined;
  #asked = false;
  #asking = false;
  #farewell: Farewell | undefined;
  #saying = false;

  /**
   * @param seals - whether frames can be sealed here
   * @param settled - called when nothing is owed to the server any more
   */
  constructor(context: ClientContext, deviceId: string, seals: () => Promise<boolean>, settled: () => void) {
    this.#context = context;
    this.deviceId = deviceId;
    this.#seals = seals;
    this.#settled = settled;
    this.#up = context.online();
  }

  get id(): string {
    return this.#id;
  }

  get up(): boolean {
    return this.#up;
  }

  /** Asked for, and nobody knows under which id yet. */
  get unnamed(): boolean {
    return this.#asking && this.#id === '';
  }

  /** Something is still to be said although the call is over. */
  get owes(): boolean {
    return this.#farewell !== undefined;
  }

  /** Peers that know devices, and `call:sync`. */
  get isOurs(): boolean {
    return this.#context.has('multi-socket-call');
  }

  onUp(listener: () => void): () => void {
    this.#upListeners.add(listener);
    return () => void this.#upListeners.delete(listener);
  }

  named(id: string): void {
    if (this.#id !== '') return;
    this.#id = id;
    void this.#sayFarewell();
  }

  /** Asks again, over reconnects, where asking twice is calling once. */
  async initiate(request: InitiateCall, signal: AbortSignal): Promise<Call | undefined> {
    this.#asked = true;
    this.#asking = true;
    try {
      const call = await this.#initiate(request, signal);
      if (call !== undefined) this.named(call.id);
      return call;
    } catch (error) {
      // Whether it rings there is unknown: whoever has hung up meanwhile still has to say so.
      if (!isLost(error) || !this.isOurs) this.#forget();
      throw error;
    } finally {
      if (this.isOurs) this.#asking = false;
      void this.#sayFarewell();
    }
  }

  async #initiate(request: InitiateCall, signal: AbortSignal): Promise<Call | undefined> {
    await this.#context.whenConnected(signal);
    const more = { clientId: this.#clientId, ...(await this.#seat()) };
    for (;;) {
      try {
        const { requester } = this.#context;
        // Without the signal: what it is answered is needed to cancel it.
        return readCall(await requester.request('call:initiate', this.isOurs ? { ...request, ...more } : request));
      } catch (error) {
        if (!isLost(error) || !this.isOurs || signal.aborted) throw error;
        await this.#context.untilConnected(signal);
      }
    }
  }

  /** Answers, over reconnects. */
  async respond(signal: AbortSignal): Promise<Call | undefined> {
    for (;;) {
      await this.#context.whenConnected(signal);
      try {
        const { requester } = this.#context;
        const accept = { callId: this.#id, action: 'accept', ...(await this.#seat()) } as const;
        return readCall(await requester.request('call:respond', accept, { signal }));
      } catch (error) {
        if (signal.aborted || !isLost(error)) throw error;
        await this.#context.untilConnected(signal);
      }
    }
  }

  /** What this device says of itself, to servers that know of devices. */
  async #seat(): Promise<CallSeat> {
    if (!this.isOurs) return {};
    return { deviceId: this.deviceId, ...((await (this.#sealing ??= this.#seals())) && { mediaEncryption: true }) };
  }

  /** @throws CommError `NOT_FOUND` once it is over */
  async sync(): Promise<Call | undefined> {
    const { requester } = this.#context;
    return readCall(await requester.request('call:sync', { callId: this.#id, deviceId: this.deviceId }));
  }

  async request(name: 'call:add-participant' | 'call:remove-participant', userId: string): Promise<void> {
    await this.#context.requester.request(name, { callId: this.#id, userId });
  }

  /** What matters only now: lost while the socket is down. */
  tell<K extends 'call:media-toggle' | 'call:quality-report' | 'call:connected'>(
    name: K,
    payload: Omit<RequestOf<K>, 'callId'>,
  ): Promise<boolean> {
    return this.#context.requester.request(name, { ...payload, callId: this.#id }).then(
      () => true,
      () => false,
    );
  }

  decline(): void {
    this.#farewell = { action: 'reject' };
    void this.#sayFarewell();
  }

  /** Kept until it can be said: until the id is known, and until there is a connection. */
  hangUp(reason: HangUp['reason'], detail: CallFailure | undefined): void {
    if (this.#id === '' && !this.#asked) return;
    this.#farewell = { reason, ...(detail !== undefined && { detail }) };
    void this.#sayFarewell();
  }

  send(signal: OutgoingSignal): void {
    if (this.#up) this.#signal(signal);
    else if (this.#queue.length < MAX_QUEUED) this.#queue.push(signal);
  }

  lineLost(): void {
    this.#up = false;
  }

  /** There is a connection, and on it the server knows which device this is. */
  lineUp(): void {
    this.#up = true;
    for (const signal of this.#queue.splice(0)) this.#signal(signal);
    for (const listener of this.#upListeners) listener();
  }

  /** The same for a call that is over. */
  async sayAgain(): Promise<void> {
    this.#up = true;
    if (this.#id !== '' && this.isOurs && !('action' in (this.#farewell ?? {})))
      await this.sync().catch(() => undefined);
    await this.#sayFarewell();
  }

  close(): void {
    this.#queue.length = 0;
    this.#upListeners.clear();
    if (!this.owes) this.#settled();
  }

  #signal(signal: OutgoingSignal): void {
    const { to, kind, ...body } = signal;
    const { requester, userId } = this.#context;
    const device = this.isOurs ? { toDeviceId: to.deviceId, generation: to.generation } : {};
    const about = { callId: this.#id, fromUserId: userId() ?? '', toUserId: to.userId, ...device };
    const payload = { ...about, ...body, ...((kind === 'offer' || kind === 'answer') && { type: kind }) };
    requester.request(REQUESTS[kind], defined(payload) as never).catch((error: unknown) => {
      // All of them fail together, in the order they were sent in. What the server refuses can't be helped.
      if (isLost(error) && this.#queue.length < MAX_QUEUED) this.#queue.push(signal);
    });
  }

  async #sayFarewell(): Promise<void> {
    const farewell = this.#farewell;
    if (farewell === undefined || this.#saying || (this.#asking && this.#id === '')) return;
    if (!this.#context.online()) return;
    this.#saying = true;
    try {
      await this.#say(farewell);
      this.#forget();
    } catch (error) {
      if (!isLost(error)) this.#forget();
    } finally {
      this.#saying = false;
    }
  }

  /** A call whose id never came is known to our server by the client's own. */
  #say(farewell: Farewell): Promise<unknown> {
    const { requester } = this.#context;
    const callId = this.#id === '' ? this.#clientId : this.#id;
    if ('action' in farewell) return requester.request('call:respond', { callId, ...farewell });
    return requester.request('call:hangup', { callId, ...farewell });
  }

  #forget(): void {
    if (this.#farewell === undefined) return;
    this.#farewell = undefined;
    this.#settled();
  }
}

/** Nobody knows whether it arrived. */
function isLost(error: unknown): boolean {
  return isCommError(error) && (error.code === 'DISCONNECTED' || error.code === 'TIMEOUT');
}

function defined(payload: object): object {
  return Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
}

/** What it means for a call that the server refuses to begin or to answer it. */
export function endBy(error: unknown, direction: 'incoming' | 'outgoing'): CallEvent {
  const code = isCommError(error) ? error.code : 'INTERNAL';
  if (code === 'BUSY') return { type: 'ended', reason: 'busy' };
  if (direction === 'outgoing') return { type: 'ended', reason: 'failed', detail: 'signalling' };
  if (code === 'CONFLICT') return { type: 'ended', reason: 'completed', detail: 'answered_elsewhere' };
  return code === 'NOT_FOUND' ? { type: 'vanished' } : { type: 'failed', detail: 'signalling' };
}
