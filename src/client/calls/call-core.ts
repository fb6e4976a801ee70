import { deferred, type Deferred } from '../../lib/deferred.ts';
import { Emitter } from '../../lib/emitter.ts';
import { ObservableValue } from '../../lib/observable.ts';
import type { Call } from '../../protocol/calls.ts';
import { CommError } from '../../protocol/errors.ts';
import type { CallEndReason } from '../../protocol/vocabulary.ts';
import { CallLine, endBy } from './call-line.ts';
import { CALL_TIMERS, NEW_CALL, stepCall, type CallEffect, type CallEvent, type CallTimer } from './call-machine.ts';
import { sameSnapshot, snapshotOf } from './call-snapshot.ts';
import type { CallDetails, CallPorts, MakeKeys } from './call-ports.ts';
import type { CallSessionEvents, CallSnapshot } from './call-types.ts';
import { Early } from './early.ts';
import type { CallMedia, IncomingSignal } from './media-backend.ts';
import { Members } from './members.ts';
import { QualityBoard, reportOf } from './quality-board.ts';
import { SessionMedia } from './session-media.ts';
import { Timers } from './timers.ts';

/** One call: what happens when is decided by the machine, this carries it out. */
export class CallCore {
  readonly ports: CallPorts;
  details: CallDetails;
  readonly line: CallLine;
  readonly emitter: Emitter<CallSessionEvents>;
  readonly view: ObservableValue<CallSnapshot>;
  readonly over: Deferred<CallEndReason> = deferred();
  /** Of a call that is made: it has an id. Of one that is answered: the server has taken it. */
  readonly begun: Deferred<void> = deferred();
  readonly life = new AbortController();
  readonly quality = new QualityBoard();
  readonly members: Members;
  readonly #timers: Timers<CallTimer>;
  readonly #early: Early<IncomingSignal>;
  machine = NEW_CALL;
  /** How many answers are waited for that say how the call stands. */
  waiting = 0;
  media: SessionMedia | undefined;
  answeredAt: string | undefined;
  #wanted: CallMedia = {};
  #failure: unknown;
  #makeKeys: MakeKeys | undefined;

  constructor(ports: CallPorts, details: CallDetails) {
    const { context, deviceId } = ports;
    const report = (error: unknown): void => context.report(error);
    this.ports = ports;
    this.details = details;
    const seals = (): Promise<boolean> => this.#seals();
    this.line = new CallLine(context, deviceId, seals, () => ports.settled());
    this.emitter = new Emitter<CallSessionEvents>(report);
    this.#timers = new Timers(context.clock);
    this.#early = new Early(context.clock);
    this.members = new Members(
      {
        userId: () => this.userId,
        now: () => new Date(context.clock.now()).toISOString(),
        joined: () => this.machine.joined && !this.isOver,
        media: () => this.media,
        tell: (changed) => this.line.tell('call:media-toggle', changed),
        changed: () => this.changed(),
        left: (userId) => this.quality.left(userId),
      },
      { audio: true, video: details.type === 'video', screenShare: false },
    );
    this.view = new ObservableValue(snapshotOf(this), report);
  }

  get userId(): string {
    return this.ports.context.userId() ?? '';
  }

  get isOver(): boolean {
    return this.machine.state === 'ended';
  }

  /** Begins what needs microphone and camera: to call, to answer, to join. */
  open(event: 'dial' | 'accept' | 'rejoin', wanted: CallMedia): void {
    this.#wanted = wanted;
    const { platform, options } = this.ports;
    this.media = new SessionMedia(platform, options.media, {
      changed: () => this.changed(),
      sending: () => {
        this.members.mediaChanged();
        this.changed();
      },
      peers: (state) => {
        if (state === 'failed') this.step({ type: 'failed', detail: 'ice' });
        else this.step({ type: state === 'up' ? 'peer-up' : 'peers-down' });
      },
      quality: (stats) => {
        const report = reportOf(this.line.id, stats);
        const news = this.quality.measured(report, this.userId);
        if (news !== undefined) void this.line.tell('call:quality-report', news);
        this.emitter.emit('quality', report);
        this.changed();
      },
      event: (name, payload) => this.emitter.emit(name, payload),
    });
    this.step({ type: event });
  }

  step(event: CallEvent): void {
    const before = this.machine;
    const [next, effects] = stepCall(before, event);
    this.machine = next;
    const isNews = next.state !== before.state;
    for (const effect of effects) this.#do(effect);
    this.changed();
    // What an effect brought about at once has been told already.
    if (isNews && this.machine === next) this.emitter.emit('state', next.state);
    if (isNews && next.state === 'ended') this.#ended(next.endReason ?? 'completed');
  }

  /** The server says how the call stands. */
  told(call: Call): void {
    this.line.named(call.id);
    // Somebody who joins by the id alone learns the rest now.
    if (this.details.conversationId === '') this.details = call;
    this.members.told(call.participants);
    const own = call.participants.find(({ userId }) => userId === this.userId);
    this.answeredAt ??= call.answeredAt;
    const isElsewhere = own?.deviceId !== undefined && own.deviceId !== this.line.deviceId;
    if (isElsewhere) return this.step({ type: 'ended', reason: 'completed', detail: 'answered_elsewhere' });
    if (call.state === 'ended') return this.step({ type: 'ended', reason: call.endReason ?? 'completed' });
    this.named(call.id);
    if (call.state === 'ringing') this.step({ type: 'ringing' });
    const others = call.participants.some(({ userId }) => userId !== this.userId);
    if (own !== undefined && others && call.state.startsWith('connect')) this.answered();
    this.begun.resolve();
  }

  /** It rings here. */
  ring(call: Call): void {
    this.line.named(call.id);
    this.members.told(call.participants);
    this.step({ type: 'invited' });
  }

  /** A call that is made here has its id. */
  named(callId: string): void {
    this.line.named(callId);
    if (this.isOver) return;
    if (!this.line.isOurs) this.members.enter();
    this.step({ type: 'named', assume: !this.line.isOurs });
    if (!this.line.isOurs) this.begun.resolve();
  }

  answered(): void {
    this.answeredAt ??= new Date(this.ports.context.clock.now()).toISOString();
    this.step({ type: 'answered' });
  }

  signalled(signal: IncomingSignal): void {
    if (this.machine.joined) this.media?.backend.onSignal(signal);
    else if (!this.isOver) this.#early.keep(signal);
  }

  /**
   * What is pushed meanwhile waits: it may be older or newer than the answer, which may be noticed later than it came.
   */
  async ask(answer: Promise<Call | undefined>, taken: (call: Call | undefined) => void): Promise<void> {
    this.waiting += 1;
    try {
      taken(await answer);
    } catch (error) {
      this.refused(error);
    }
    this.waiting -= 1;
    this.ports.inStep();
  }

  changed(): void {
    this.view.set(sameSnapshot(this.view.getSnapshot(), snapshotOf(this)));
  }

  #do(effect: CallEffect): void {
    switch (effect.do) {
      case 'acquire':
        return this.#acquire();
      case 'initiate':
        return this.#initiate();
      case 'respond':
        return this.#respond();
      case 'decline':
        return this.line.decline();
      case 'hang-up':
        return this.line.hangUp(effect.reason, effect.detail);
      case 'join':
        return this.#join();
      case 'tell-connected':
        if (this.line.isOurs) void this.line.tell('call:connected', {});
        return;
      case 'set': {
        const { timer } = effect;
        const { ringTimeoutMs = CALL_TIMERS.answer } = this.ports.options;
        const ms = timer === 'answer' ? ringTimeoutMs : CALL_TIMERS[timer];
        return this.#timers.arm(timer, ms, () => this.step({ type: 'timeout', timer }));
      }
      case 'clear':
        return this.#timers.disarm(effect.timer);
      case 'dispose':
        return this.#dispose();
    }
  }

  #acquire(): void {
    const { audio = true, video = this.details.type === 'video' } = this.#wanted;
    this.media?.local.start({ audio, video }, this.life.signal).then(
      () => this.step({ type: 'acquired' }),
      (error: unknown) => {
        this.#failure ??= error;
        this.step({ type: 'failed', detail: 'permission' });
      },
    );
  }

  #initiate(): void {
    const { conversationId, type, calleeIds } = this.details;
    void this.ask(this.line.initiate({ conversationId, type, calleeIds }, this.life.signal), (call) => {
      if (call !== undefined) this.told(call);
    });
  }

  #respond(): void {
    void this.ask(this.line.respond(this.life.signal), (call) => {
      // A base server's answer says nothing more.
      if (call === undefined) this.members.enter();
      else this.told(call);
      this.answered();
      this.begun.resolve();
    });
  }

  /** Somebody whom we call is calling us, and the server knows that call: it becomes ours. */
  answerInstead(call: Call): void {
    this.line.named(call.id);
    this.members.told(call.participants);
    this.#respond();
  }

  /** The server doesn't begin it, or doesn't take the answer. */
  refused(error: unknown): void {
    this.#failure ??= error;
    this.step(endBy(error, this.machine.direction));
  }

  /** Where the app wants it and it can't be, the call goes on without, and its snapshot says so. */
  async #seals(): Promise<boolean> {
    const failed = (error: CommError): void => this.emitter.emit('error', error);
    this.#makeKeys = await this.ports.mediaKeys?.(failed);
    return this.#makeKeys !== undefined;
  }

  #join(): void {
    const { media, line } = this;
    const { deviceId, iceServers, context } = this.ports;
    const self = { userId: this.userId, ...(line.isOurs && { deviceId }) };
    const keys = this.#makeKeys?.({
      callId: line.id,
      self,
      roster: () => this.members.roster,
      failed: (error) => this.emitter.emit('error', error),
    });
    this.members.join((roster) => {
      media?.backend
        .join({ callId: line.id, self, roster, iceServers, signal: line, keys, abort: this.life.signal })
        .catch((error: unknown) => {
          context.report(error);
          this.step({ type: 'failed', detail: 'ice' });
        });
    });
    for (const signal of this.#early.take()) media?.backend.onSignal(signal);
  }

  /** One step, and nothing of the call is left: no track, connection, timer or listener. */
  #dispose(): void {
    this.#timers.clear();
    this.media?.dispose();
    this.life.abort(new CommError('DISCONNECTED', 'The call is over'));
    this.#early.take();
  }

  #ended(reason: CallEndReason): void {
    this.line.close();
    const { detail, direction } = this.machine;
    const isElsewhere = detail === 'answered_elsewhere' || detail === 'rejected_elsewhere';
    // A call that was made and has ended was made; one that was not answered in time can't be.
    if (this.#failure !== undefined) this.begun.reject(this.#failure);
    else if (direction === 'outgoing') this.begun.resolve();
    else if (isElsewhere) this.begun.reject(new CommError('CONFLICT', 'Another of your devices has answered'));
    else this.begun.reject(new CommError('NOT_FOUND', 'The call is over'));
    this.over.resolve(reason);
    this.ports.settled();
  }
}
