import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { Call } from '../../protocol/calls.ts';
import { CommError } from '../../protocol/errors.ts';
import { CALL_TYPES } from '../../protocol/vocabulary.ts';
import { fields, readId } from '../../transport/rows.ts';
import { requireId, requireIds, type ClientContext } from '../context.ts';
import { browserMedia } from './browser-media.ts';
import { CallCore, type CallDetails } from './call-core.ts';
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
/** Of one call that may turn out to be our own. */
const MAX_HELD = 512;

interface Entry {
  readonly core: CallCore;
  readonly session: Session;
  stopWaiting?: () => void;
}
/** Somebody whom we are calling calls us: it will be the same call, or else one that rings. */
interface Held {
  readonly call: Call;
  readonly pushes: [event: string, row: Row][];
}

/** All calls of a client: what is pushed finds its call here, and what must watch the page does so while there is one. */
export class CallDesk {
  readonly #context: ClientContext;
  readonly #options: CallOptions;
  readonly #platform: MediaPlatform;
  readonly #iceServers: () => Promise<IceConfig>;
  readonly #deviceId = uuidv7();
  readonly #entries = new Set<Entry>();
  readonly #held = new Map<string, Held>();
  #stops: (() => void)[] = [];

  constructor(context: ClientContext, options: CallOptions) {
    this.#context = context;
    this.#options = options;
    this.#platform = options.platform ?? browserMedia(context.clock, context.report);
    this.#iceServers = iceSource(options.iceServers, context.clock);
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
    const rings = this.#find(callId);
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
    const held = this.#held.get(callId);
    const entry = this.#find(callId);
    if (entry !== undefined) applyPush(entry.core, event, row);
    else if (held === undefined) this.#unknown(callId, event, row);
    else if (held.pushes.length < MAX_HELD) held.pushes.push([event, row]);
    if (held !== undefined && entry === undefined && event === 'call:state-changed') this.#unknown(callId, event, row);
  }

  /** The page goes away, or the app disconnects. What only rings here goes on ringing elsewhere. */
  leave(): void {
    for (const { core } of this.#entries) core.step({ type: isRung(core) ? 'vanished' : 'hang-up' });
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

  /** A server that acknowledges nothing names the call that was asked for by its first push. */
  #unknown(callId: string, event: string, row: Row): void {
    const asked = [...this.#entries].find(({ core }) => core.line.unnamed)?.core;
    const change = event === 'call:state-changed' ? readStateChange(row) : undefined;
    const theirs = this.#held.get(callId)?.call;
    if (asked === undefined || change === undefined) return;
    if (change.error === undefined) {
      if (change.state === 'initiating') asked.named(callId);
    } else if (theirs !== undefined) asked.answerInstead(theirs);
    else asked.refused(new CommError('BUSY', 'You are in a call'));
  }

  #enter(details: CallDetails): Entry {
    const core = new CallCore(
      {
        context: this.#context,
        platform: this.#platform,
        options: this.#options,
        deviceId: this.#deviceId,
        iceServers: this.#iceServers,
        requireFree: () => this.#requireFree(),
        settled: () => this.#settled(entry),
      },
      details,
    );
    const entry: Entry = { core, session: new Session(core) };
    this.#entries.add(entry);
    if (this.#stops.length === 0) this.#watch();
    return entry;
  }

  /** Waits until it stands. Whoever gives it up meanwhile gets the call that has ended. */
  async #begin({ core, session }: Entry, begun: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    try {
      await abortable(begun, signal);
    } catch (error) {
      session.hangup();
      if (signal?.aborted === true || core.machine.endReason !== 'cancelled') throw error;
    } finally {
      this.#release();
    }
  }

  #release(): void {
    for (const [callId, { call, pushes }] of this.#held) {
      this.#held.delete(callId);
      if (this.#find(callId) === undefined) this.#ring(call);
      for (const [event, row] of pushes) this.pushed(event, row);
    }
  }

  /** One that is over is known for as long as the server hasn't been told. */
  #find(callId: string): Entry | undefined {
    return [...this.#entries].find(({ core }) => core.line.id === callId);
  }

  #requireFree(): void {
    if ([...this.#entries].every(({ core }) => core.isOver || isRung(core))) return;
    throw new CommError('BUSY', 'You are in a call', { fix: 'Hang up first.' });
  }

  #settled(entry: Entry): void {
    const { core } = entry;
    if (!core.isOver) return;
    if (core.line.owes) {
      entry.stopWaiting ??= this.#context.clock.after(FAREWELL_MS, () => this.#leave(entry));
    } else this.#leave(entry);
  }

  #leave(entry: Entry): void {
    entry.stopWaiting?.();
    this.#entries.delete(entry);
    if (this.#entries.size > 0) return;
    for (const stop of this.#stops.splice(0)) stop();
  }

  #watch(): void {
    const each = (what: (core: CallCore) => void): void => {
      for (const { core } of this.#entries) what(core);
    };
    this.#stops = [
      this.#platform.watchPage({
        hidden: () => this.leave(),
        network: (reason) => each(({ media }) => media?.recover(reason)),
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
