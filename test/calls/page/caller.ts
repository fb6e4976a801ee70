import { CommClient, type CallMedia, type CallSession } from '../../../src/index.ts';
import { held } from '../../../src/client/calls/held.ts';

declare global {
  // What scripts reach by evaluating in the page.
  var caller: Caller;
}

/** Somebody with a client, and everything an app could have noticed of a call. */
export class Caller {
  readonly client: CommClient;
  /** `state` and `interrupted` as they changed, such as `connected`. */
  readonly log: string[] = [];
  readonly errors: string[] = [];
  readonly #shown = new Map<string, { readonly video: HTMLVideoElement; frames: number }>();
  call: CallSession | undefined;

  /** @param answers - what an incoming call is accepted with, at once; `null`: it isn't */
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

  get state(): string | undefined {
    return this.call?.state;
  }

  /** How many frames of somebody were decoded and shown so far. */
  frames(userId: string): number {
    const stream = this.call?.remoteStreams.get(userId);
    if (stream === undefined) return 0;
    const shown = this.#shown.get(userId);
    if (shown?.video.srcObject === stream) return shown.frames;
    const video = document.createElement('video');
    const showing = { video, frames: 0 };
    this.#shown.set(userId, showing);
    // Not by getVideoPlaybackQuality(): Firefox counts no frames of streams there.
    const count = (): void => {
      showing.frames += 1;
      video.requestVideoFrameCallback(count);
    };
    video.requestVideoFrameCallback(count);
    video.muted = true;
    video.srcObject = stream;
    document.body.append(video);
    video.play().catch(() => undefined);
    return 0;
  }

  /** What calls hold open in this page. */
  held(): Readonly<typeof held> {
    return held;
  }

  #follow(call: CallSession): void {
    this.call = call;
    this.log.push(call.state);
    call.on('state', (state) => this.log.push(state));
  }
}
