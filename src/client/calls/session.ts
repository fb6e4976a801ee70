import type { Listener, ListenOptions } from '../../lib/emitter.ts';
import type { ConnectionQualityReport } from '../../protocol/calls.ts';
import { CommError } from '../../protocol/errors.ts';
import type { CallEndDetail, CallEndReason, CallState, CallType } from '../../protocol/vocabulary.ts';
import { requireId } from '../context.ts';
import type { CallCore } from './call-core.ts';
import type { CallSession, CallSessionEvents, CallSnapshot } from './call-types.ts';
import type { CallMedia, ScreenShareOptions } from './media-backend.ts';
import { reportOf } from './quality-board.ts';
import type { Roster } from './roster.ts';
import type { SessionMedia } from './session-media.ts';

/** What the app holds of a call; see {@link CallSession}. */
export class Session implements CallSession {
  readonly #core: CallCore;
  readonly getSnapshot: () => CallSnapshot;
  readonly getServerSnapshot: () => CallSnapshot;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(core: CallCore) {
    this.#core = core;
    this.getSnapshot = core.view.getSnapshot;
    this.getServerSnapshot = core.view.getServerSnapshot;
    this.subscribe = core.view.subscribe;
  }

  get id(): string {
    return this.#core.line.id;
  }

  get conversationId(): string {
    return this.#core.details.conversationId;
  }

  get direction(): 'incoming' | 'outgoing' {
    return this.#core.machine.direction;
  }

  get type(): CallType {
    return this.#core.details.type;
  }

  get callerId(): string {
    return this.#core.details.callerId;
  }

  get state(): CallState {
    return this.#core.machine.state;
  }

  get endReason(): CallEndReason | undefined {
    return this.#core.machine.endReason;
  }

  get detail(): CallEndDetail | undefined {
    return this.#core.machine.detail;
  }

  get participants(): Roster {
    return this.getSnapshot().participants;
  }

  get ended(): Promise<CallEndReason> {
    return this.#core.over.promise;
  }

  get localStream(): MediaStream | undefined {
    return this.getSnapshot().localStream;
  }

  get remoteStreams(): ReadonlyMap<string, MediaStream> {
    return this.getSnapshot().remoteStreams;
  }

  async accept(media: CallMedia = {}): Promise<void> {
    const { machine, ports, begun } = this.#core;
    if (machine.direction === 'incoming' && machine.state === 'ringing') {
      ports.platform.require();
      ports.requireFree();
      this.#core.open('accept', media);
    } else if (machine.direction === 'outgoing') throw new TypeError('accept() is for incoming calls');
    await begun.promise;
  }

  reject(): void {
    this.#core.step({ type: 'reject' });
  }

  hangup(): void {
    this.#core.step({ type: 'hang-up' });
  }

  async setAudio(on: boolean): Promise<void> {
    await this.#media().local.setDesired('mic', on);
  }

  async setVideo(on: boolean): Promise<void> {
    await this.#media().local.setDesired('camera', on);
  }

  async shareScreen(options: ScreenShareOptions = {}): Promise<void> {
    await this.#media().local.shareScreen(options, this.#core.life.signal);
  }

  stopScreenShare(): void {
    if (this.#core.machine.state !== 'ended') this.#core.media?.local.stopScreen();
  }

  async switchDevice(kind: 'audioinput' | 'videoinput', deviceId: string): Promise<void> {
    if (kind !== 'audioinput' && kind !== 'videoinput') throw new TypeError('kind: audioinput or videoinput');
    requireId('deviceId', deviceId);
    await this.#media().local.switchDevice(kind, deviceId);
  }

  async addParticipant(userId: string): Promise<void> {
    requireId('userId', userId);
    this.#requireLife();
    await this.#core.line.request('call:add-participant', userId);
  }

  async removeParticipant(userId: string): Promise<void> {
    requireId('userId', userId);
    this.#requireLife();
    await this.#core.line.request('call:remove-participant', userId);
  }

  async stats(): Promise<ConnectionQualityReport[]> {
    const measured = this.#core.isOver ? [] : ((await this.#core.media?.backend.stats()) ?? []);
    return measured.map((each) => reportOf(this.id, each));
  }

  async resumeAudio(): Promise<void> {
    if (this.#core.machine.state !== 'ended') await this.#core.media?.playback.resume();
  }

  on<K extends keyof CallSessionEvents>(
    event: K,
    listener: Listener<CallSessionEvents[K]>,
    options?: ListenOptions,
  ): () => void {
    return this.#core.emitter.on(event, listener, options);
  }

  #requireLife(): void {
    if (this.#core.machine.state === 'ended') throw new CommError('NOT_FOUND', 'The call is over');
  }

  #media(): SessionMedia {
    this.#requireLife();
    const { media } = this.#core;
    if (media === undefined)
      throw new CommError('CONFLICT', 'The call only rings here', { fix: 'Call `accept()` first.' });
    return media;
  }
}
