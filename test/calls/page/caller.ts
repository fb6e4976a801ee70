import { CommClient, type CallSession } from '../../../src/index.ts';
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
  readonly #videos = new Map<string, HTMLVideoElement>();
  call: CallSession | undefined;

  /** @param answers - an incoming call is accepted at once */
  constructor(userId: string, answers: boolean) {
    this.client = new CommClient({
      userId,
      calls: {
        iceServers: async () => (await (await fetch('/ice.json')).json()) as { iceServers: RTCIceServer[] },
      },
    });
    this.client.on('error', ({ code }) => this.errors.push(code));
    this.client.on('call', (call) => {
      this.#follow(call);
      if (answers) call.accept().catch((error: unknown) => this.errors.push(String(error)));
    });
  }

  async start(calleeId: string, type: 'audio' | 'video' = 'video'): Promise<void> {
    const { id } = await this.client.conversations.create({ type: 'direct', participantIds: [calleeId] });
    this.#follow(await this.client.calls.start({ conversationId: id, type, calleeIds: [calleeId] }));
  }

  get state(): string | undefined {
    return this.call?.state;
  }

  /** How many frames of somebody were decoded so far. */
  frames(userId: string): number {
    const stream = this.call?.remoteStreams.get(userId);
    if (stream === undefined) return 0;
    let video = this.#videos.get(userId);
    if (video?.srcObject !== stream) {
      video = document.createElement('video');
      video.muted = true;
      video.srcObject = stream;
      document.body.append(video);
      video.play().catch(() => undefined);
      this.#videos.set(userId, video);
    }
    return video.getVideoPlaybackQuality().totalVideoFrames;
  }

  /** Candidate types of the pair that carries the media, such as `relay relay`. */
  held(): Readonly<typeof held> {
    return held;
  }

  #follow(call: CallSession): void {
    this.call = call;
    this.log.push(call.state);
    call.on('state', (state) => this.log.push(state));
  }
}
