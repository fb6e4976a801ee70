import { CommClient, type CallSession } from '../../../src/index.ts';
import type { CallMedia } from '../../../src/media/index.ts';
import { resourceCounters } from '../../../src/client/calls/webrtc/resource-counters.ts';

declare global {
  // Used by expressions that scripts evaluate in the page.
  var caller: Caller;
}

/** A client with a log of everything an app can observe of a call. */
export class Caller {
  readonly client: CommClient;
  /** The states of the call, in order. */
  readonly log: string[] = [];
  readonly errors: string[] = [];
  readonly #shown = new Map<string, { readonly video: HTMLVideoElement; frames: number }>();
  call: CallSession | undefined;

  /** @param answers - the media to accept incoming calls with; `null` doesn't accept them */
  constructor(userId: string, answers: CallMedia | null) {
    this.client = new CommClient({
      userId,
      calls: {
        iceServers: async () => (await (await fetch('/ice.json')).json()) as { iceServers: RTCIceServer[] },
      },
    });
    this.client.on('error', ({ code }) => this.errors.push(code));
    this.client.on('call', (call) => {
      this.#follow(call);
      if (answers !== null) call.accept(answers).catch((error: unknown) => this.errors.push(String(error)));
    });
  }

  async start(calleeId: string, type: 'audio' | 'video' = 'video'): Promise<void> {
    const { id } = await this.client.conversations.create({ type: 'direct', participantIds: [calleeId] });
    this.#follow(await this.client.calls.start({ conversationId: id, type, calleeIds: [calleeId] }));
  }

  async startGroup(calleeIds: readonly string[], media: CallMedia): Promise<void> {
    const { id } = await this.client.conversations.create({ type: 'group', participantIds: [...calleeIds] });
    this.#follow(await this.client.calls.start({ conversationId: id, type: 'video', calleeIds, media }));
  }

  get state(): string | undefined {
    return this.call?.state;
  }

  /** Returns the number of decoded frames of a user so far. */
  frames(userId: string): number {
    const stream = this.call?.remoteStreams.get(userId);
    if (stream === undefined) return 0;
    const shown = this.#shown.get(userId);
    if (shown?.video.srcObject === stream) return shown.frames;
    const video = document.createElement('video');
    const entry = { video, frames: 0 };
    this.#shown.set(userId, entry);
    // getVideoPlaybackQuality() is always 0 for streams in Firefox.
    const count = (): void => {
      entry.frames += 1;
      video.requestVideoFrameCallback(count);
    };
    video.requestVideoFrameCallback(count);
    video.muted = true;
    video.srcObject = stream;
    document.body.append(video);
    video.play().catch(() => undefined);
    return 0;
  }

  /** Returns the resources that calls hold in this page. */
  resourceCounters(): Readonly<typeof resourceCounters> {
    return resourceCounters;
  }

  #follow(call: CallSession): void {
    this.call = call;
    this.log.push(call.state);
    call.on('state', (state) => this.log.push(state));
    call.on('error', ({ message }) => this.errors.push(message));
  }
}
