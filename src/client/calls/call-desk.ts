import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { deferred, type Deferred } from '../../lib/deferred.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { Call } from '../../protocol/calls.ts';
import { CommError, isCommError } from '../../protocol/errors.ts';
import { CALL_TYPES } from '../../protocol/vocabulary.ts';
import { fields } from '../../transport/fields.ts';
import { readId } from '../../transport/rows.ts';
import { requireId, requireIds, type ClientContext } from '../context.ts';
import { browserMedia } from './browser-media.ts';
import { CallCore } from './call-core.ts';
import type { CallDetails, CallPorts, MakeKeys } from './call-ports.ts';
import { applyPush } from './call-pushes.ts';
import { resumeCall } from './call-resume.ts';
import type { CallOptions, CallSession, StartCall } from './call-types.ts';
import { iceSource } from './ice-source.ts';
import type { CallMedia, IceConfig, MediaPlatform } from './media-backend.ts';
import { readCall, readStateChange } from './read-calls.ts';
import { Session } from './session.ts';

type Row = Readonly<Record<string, unknown>>;

/** How long a goodbye waits for a connection: by then the server has noticed by itself. */
const FAREWELL_MS = 60_000;
/** How long disconnecting waits for goodbyes to be heard. */
const LEAVE_MS = 1_000;
/** Of one call that may turn out to be our own. */
const MAX_HELD = 512;
/** Calls of which one may be our own. */
const MAX_STRANGERS = 16;

interface Entry {
  readonly core: CallCore;
  readonly session: Session;
  stopWaiting?: () => void;
}
/** What can only be understood once an answer is there. A call in it rings, unless it turns out to be our own. */
interface Held {
  readonly call?: Call | undefined;
  readonly pushes: [event: string, row: Row][];
}

/** All calls of a client: what is pushed finds its call here, and what must watch the page does so while there is one. */
export class CallDesk {
  readonly #context: ClientContext;
  readonly #options: CallOptions;
  readonly #platform: MediaPlatform;
  readonly #iceServers: () => Promise<IceConfig>;
  readonly #mediaKeys: CallPorts['mediaKeys'];
  readonly #deviceId = uuidv7();
  readonly #entries = new Set<Entry>();
  readonly #held = new Map<string, Held>();
  #stops: (() => void)[] = [];
  #empty: Deferred<void> | undefined;

  constructor(context: ClientContext, options: CallOptions) {
    this.#context = context;
    this.#options = options;
    this.#platform = options.platform ?? browserMedia(context.clock, context.report);
    this.#iceServers = iceSource(options.iceServers, context.clock);
    const seals = options.mediaEncryption === true && this.#platform.sealsFrames === true;
    this.#mediaKeys = seals ? (failed) => keysOf(context, failed) : undefined;
  }

  get active(): CallSession | undefined {
    const living = [...this.#entries].filter(({ core }) => !core.isOver);
    return (living.find(({ core }) => !isRung(core)) ?? living[0])?.session;
  }

  async start(request: StartCall, { signal }: AbortOptions = {}): Promise<CallSession> {
    const { conversationId, type, calleeIds, media = {} } = request;
    requireId('conversationId', conversationId);
    requireIds('calleeIds', calleeIds);
    if (!CALL_TYPES.includes(type)) throw new TypeError("type: 'audio' or 'video'");
    if (calleeIds.length === 0) throw new TypeError('calleeIds: a call needs somebody to call');
    signal?.throwIfAborted();
    this.#platform.require();
    this.#requireFree();
    const theirs = [...this.#entries].find(({ core }) => isRung(core) && isWith(core.details, request));
    if (theirs !== undefined) {
      await this.#begin(theirs, theirs.session.accept(media), signal);
      return theirs.session;
    }
    const callerId = this.#context.userId() ?? '';
    const entry = this.#enter({ conversationId, type, callerId, calleeIds: [...calleeIds] });
    entry.core.open('dial', media);
    await this.#begin(entry, entry.core.begun.promise, signal);
    return entry.session;
  }

  async join(callId: string, media: CallMedia = {}, { signal }: AbortOptions = {}): Promise<CallSession> {
    requireId('callId', callId);
    signal?.throwIfAborted();
    this.#platform.require();
    this.#requireFree();
    const found = this.#find(callId);
    const rings = found?.core.isOver === false ? found : undefined;
    const entry = rings ?? this.#enter({ conversationId: '', type: 'audio', callerId: '', calleeIds: [] });
    if (rings === undefined) {
      entry.core.line.named(callId);
      entry.core.open('rejoin', media);
    }
    await this.#begin(entry, rings?.session.accept(media) ?? entry.core.begun.promise, signal);
    return entry.session;
  }

  devices(): Promise<MediaDeviceInfo[]> {
    return this.#platform.devices();
  }

  pushed(event: string, data: unknown): void {
    const row = fields(data);
    if (row === undefined) return;
    if (event === 'call:incoming') return this.#incoming(readCall(row));
    const callId = readId(row['callId']);
    if (callId === undefined) return;
    const core = this.#find(callId)?.core;
    const held = this.#held.get(callId);
    if (held !== undefined || (core?.waiting ?? 0) > 0) this.#hold(callId, [event, row]);
    else if (core !== undefined) applyPush(core, event, row);
    if (core === undefined) this.#unknown(callId, event, row);
  }

  /**
   * The page goes away, or the app disconnects. What only rings here goes on ringing elsewhere.
   *
   * @returns when the server has heard of it; a line that is cut right behind a goodbye may swallow it
   */
  async leave(): Promise<void> {
    for (const { core } of this.#entries) core.step({ type: isRung(core) ? 'vanished' : 'hang-up' });
    if (this.#entries.size === 0 || !this.#context.online()) return;
    const heard = (this.#empty ??= deferred());
    const giveUp = this.#context.clock.after(LEAVE_MS, () => heard.resolve());
    await heard.promise;
    giveUp();
  }

  #incoming(call: Call | undefined): void {
    if (call === undefined || call.callerId === this.#context.userId()) return;
    if (this.#find(call.id) !== undefined || this.#held.has(call.id)) return;
    const isOwn = [...this.#entries].some(
      ({ core }) =>
        !core.isOver && core.machine.direction === 'outgoing' && core.line.id === '' && isWith(call, core.details),
    );
    if (isOwn) this.#held.set(call.id, { call, pushes: [] });
    else this.#ring(call);
  }

  #ring(call: Call): void {
    const entry = this.#enter(call);
    entry.core.ring(call);
    this.#context.emitter.emit('call', entry.session);
  }

  #hold(callId: string, push: Held['pushes'][number]): void {
    if (this.#held.size >= MAX_STRANGERS && !this.#held.has(callId)) return;
    const held = this.#held.get(callId) ?? { pushes: [] };
    this.#held.set(callId, held);
    if (held.pushes.length < MAX_HELD) held.pushes.push(push);
  }

  /** A call that was asked for, and whose id isn't known yet. */
  #unknown(callId: string, event: string, row: Row): void {
    const asked = [...this.#entries].find(({ core }) => core.line.unnamed)?.core;
    if (asked === undefined) return;
    // The answer will name it.
    if (asked.line.isOurs) {
      if (!this.#held.has(callId)) this.#hold(callId, [event, row]);
      return;
    }
    // A server that acknowledges nothing names it by its first push.
    const change = event === 'call:state-changed' ? readStateChange(row) : undefined;
    const theirs = this.#held.get(callId)?.call;
    if (change?.error === undefined) {
      if (change?.state === 'initiating') asked.named(callId);
    } else if (theirs !== undefined) asked.answerInstead(theirs);
    else asked.refused(new CommError('BUSY', 'You are in a call'));
    this.#release();
  }

  #enter(details: CallDetails): Entry {
    const core = new CallCore(
      {
        context: this.#context,
        platform: this.#platform,
        options: this.#options,
        deviceId: this.#deviceId,
        iceServers: this.#iceServers,
        mediaKeys: this.#mediaKeys,
        requireFree: () => this.#requireFree(),
        settled: () => this.#settled(entry),
        inStep: () => this.#release(),
      },
      details,
    );
    const entry: Entry = { core, session: new Session(core) };
    this.#entries.add(entry);
    if (this.#stops.length === 0) this.#watch();
    return entry;
  }

  /** Waits until it stands, or has ended. */
  async #begin({ session }: Entry, begun: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    try {
      await abortable(begun, signal);
    } catch (error) {
      session.hangup();
      throw error;
    }
  }

  /** Takes in what was held, as far as the answers that it waited for are there. */
  #release(): void {
    if ([...this.#entries].some(({ core }) => core.line.unnamed)) return;
    for (const [callId, { call, pushes }] of this.#held) {
      if ((this.#find(callId)?.core.waiting ?? 0) > 0) continue;
      this.#held.delete(callId);
      if (call !== undefined && this.#find(callId) === undefined) this.#ring(call);
      const core = this.#find(callId)?.core;
      if (core !== undefined) for (const [event, row] of pushes) applyPush(core, event, row);
    }
  }

  /** One that is over is known for as long as the server hasn't been told. */
  #find(callId: string): Entry | undefined {
    const named = [...this.#entries].filter(({ core }) => core.line.id === callId);
    return named.find(({ core }) => !core.isOver) ?? named[0];
  }

  #requireFree(): void {
    if ([...this.#entries].every(({ core }) => core.isOver || isRung(core))) return;
    throw new CommError('BUSY', 'You are in a call', { fix: 'Hang up first.' });
  }

  #settled(entry: Entry): void {
    const { core } = entry;
    if (!core.isOver) return;
    if (core.line.owes) {
      entry.stopWaiting ??= this.#context.clock.after(FAREWELL_MS, () => this.#forget(entry));
    } else this.#forget(entry);
  }

  #forget(entry: Entry): void {
    entry.stopWaiting?.();
    this.#entries.delete(entry);
    if (this.#entries.size > 0) return;
    for (const stop of this.#stops.splice(0)) stop();
    this.#empty?.resolve();
    this.#empty = undefined;
  }

  #watch(): void {
    const each = (what: (core: CallCore) => void): void => {
      for (const { core } of this.#entries) what(core);
    };
    this.#stops = [
      this.#platform.watchPage({
        hidden: () => void this.leave(),
        network: (reason) => each(({ media }) => media?.backend.recover(reason)),
      }),
      this.#context.emitter.on('status', (status) => {
        if (status !== 'connected') return each((core) => core.line.lineLost());
        each((core) => void resumeCall(core).catch(this.#context.report));
      }),
    ];
  }
}

function isRung({ machine }: CallCore): boolean {
  return machine.state === 'ringing' && machine.direction === 'incoming';
}

/** Somebody whom we call is calling us in the same conversation. */
function isWith(
  theirs: Pick<Call, 'conversationId' | 'callerId'>,
  ours: Pick<StartCall, 'conversationId' | 'calleeIds'>,
): boolean {
  return theirs.conversationId === ours.conversationId && ours.calleeIds.includes(theirs.callerId);
}

async function keysOf(context: ClientContext, failed: (error: CommError) => void): Promise<MakeKeys | undefined> {
  try {
    return await (await import('./media-keys.ts')).mediaKeys(context);
  } catch (error) {
    failed(isCommError(error) ? error : new CommError('INTERNAL', 'Media keys could not be loaded', { cause: error }));
    return undefined;
  }
}
