import type { Listener, ListenOptions } from '../../../lib/emitter.ts';
import type { ConnectionQualityReport } from '../../../protocol/calls.ts';
import type { CallEndDetail, CallEndReason, CallState, CallType } from '../../../protocol/constants.ts';
import type { DeviceChoice, ScreenShareOptions, TrackProcessor } from '../webrtc/media-backend.ts';
import type { CallController } from './call-controller.ts';
import type { CallSession, CallSessionEvents, CallSnapshot, JoinMedia } from './call-types.ts';
import type { Roster } from './roster.ts';

/** The app's handle of a call. Validates arguments and forwards to the {@link CallController}. */
export class CallHandle implements CallSession {
  readonly #controller: CallController;
  declare readonly getSnapshot: () => CallSnapshot;
  declare readonly getServerSnapshot: () => CallSnapshot;
  declare readonly subscribe: (listener: () => void) => () => void;

  constructor(controller: CallController) {
    this.#controller = controller;
    Object.assign(this, controller.snapshot);
  }

  get id(): string {
    return this.getSnapshot().id;
  }

  get conversationId(): string {
    return this.getSnapshot().conversationId;
  }

  get direction(): 'incoming' | 'outgoing' {
    return this.getSnapshot().direction;
  }

  get type(): CallType {
    return this.getSnapshot().type;
  }

  get callerId(): string {
    return this.getSnapshot().callerId;
  }

  get state(): CallState {
    return this.getSnapshot().state;
  }

  get endReason(): CallEndReason | undefined {
    return this.getSnapshot().endReason;
  }

  get detail(): CallEndDetail | undefined {
    return this.getSnapshot().detail;
  }

  get participants(): Roster {
    return this.getSnapshot().participants;
  }

  get ended(): Promise<CallEndReason> {
    return this.#controller.ended;
  }

  get localStream(): MediaStream | undefined {
    return this.getSnapshot().localStream;
  }

  get remoteStreams(): ReadonlyMap<string, MediaStream> {
    return this.getSnapshot().remoteStreams;
  }

  accept(media: JoinMedia = {}): Promise<void> {
    return this.#controller.accept(media);
  }

  reject(): void {
    this.#controller.reject();
  }

  hangup(): void {
    this.#controller.hangUp();
  }

  async setAudio(on: boolean): Promise<void> {
    await this.#controller.devices.setEnabled('mic', on);
  }

  async setVideo(on: boolean): Promise<void> {
    await this.#controller.devices.setEnabled('camera', on);
  }

  async setHold(on: boolean): Promise<void> {
    await this.#controller.setHold(on);
  }

  async shareScreen(options: ScreenShareOptions = {}): Promise<void> {
    await this.#controller.devices.shareScreen(options, this.#controller.signal);
  }

  stopScreenShare(): void {
    this.#controller.media?.local.stopScreenShare();
  }

  async switchDevice(kind: 'audioinput' | 'videoinput', device: DeviceChoice): Promise<void> {
    const { requireDeviceChoice } = await import('../media/device-switch.ts');
    requireDeviceChoice(kind, device);
    await this.#controller.requireMedia().local.switchDevice(kind, device);
  }

  async raiseHand(raised: boolean): Promise<void> {
    (await this.#controller.requireMedia().activity()).raiseHand(raised);
  }

  async react(emoji: string): Promise<void> {
    (await this.#controller.requireMedia().activity()).react(emoji);
  }

  async send(data: unknown): Promise<void> {
    (await this.#controller.requireMedia().activity()).send(data);
  }

  async setProcessor(kind: 'audio' | 'video', processor: TrackProcessor | undefined): Promise<void> {
    const { setProcessor } = await import('../media/processed-media.ts');
    await setProcessor(this.#controller.requireMedia(), kind, processor);
  }

  async addParticipant(userId: string): Promise<void> {
    await this.#controller.changeParticipant('call:add-participant', userId);
  }

  async removeParticipant(userId: string): Promise<void> {
    await this.#controller.changeParticipant('call:remove-participant', userId);
  }

  async stats(): Promise<ConnectionQualityReport[]> {
    return (await this.#controller.media?.stats()) ?? [];
  }

  async resumeAudio(): Promise<void> {
    await this.#controller.media?.playback.resume();
  }

  on<K extends keyof CallSessionEvents>(
    event: K,
    listener: Listener<CallSessionEvents[K]>,
    options?: ListenOptions,
  ): () => void {
    return this.#controller.events.on(event, listener, options);
  }
}
