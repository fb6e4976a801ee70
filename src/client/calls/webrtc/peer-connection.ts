import type { Slot } from './media-backend.ts';
import { listen, resourceCounters } from './resource-counters.ts';
import type { VideoEncoding } from './video-encoding.ts';

/** In the order of the m-lines of an offer: the nth m-line of a kind is the same slot on both sides. */
const SLOTS = ['mic', 'camera', 'screen', 'screenAudio'] as const satisfies readonly Slot[];
const KIND = { mic: 'audio', camera: 'video', screen: 'video', screenAudio: 'audio' } as const;

/** Maximum length of a text on the data channel, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 16_384;

/** Callbacks of a {@link PeerConnection}. */
export interface PeerConnectionHandlers {
  onCandidate(candidate: RTCIceCandidate): void;
  /** A STUN or TURN server answered with an error, or not at all (code 701). */
  onCandidateError(error: RTCPeerConnectionIceErrorEvent): void;
  onStateChange(state: RTCPeerConnectionState): void;
  /**
   * The first packets of a slot arrived. Until then its track exists and is muted. They may be probes of the bandwidth instead of
   * media, which Chromium sends through the last video slot: whether a screen is shared is known from signaling only.
   */
  onTrack(slot: Slot, track: MediaStreamTrack): void;
  onDataOpen(): void;
  /** Reported as an empty text if it is longer than the limit or not text, so that it counts as a malformed message. */
  onData(text: string): void;
  /** A transceiver was created, before any media flows through it. */
  onTransceiver(slot: Slot, transceiver: RTCRtpTransceiver): void;
}

/** Returns whether this environment has WebRTC. */
export const hasWebRtc = (): boolean => typeof RTCPeerConnection === 'function';

/** @throws DOMException or TypeError of the browser, which names the field that is not valid */
export function assertValidConfig(config: RTCConfiguration): void {
  new RTCPeerConnection(config).close();
}

/**
 * An RTCPeerConnection with four fixed slots. The track of a slot changes by `replaceTrack` (W3C WebRTC 5.2), without
 * renegotiation. Creates descriptions explicitly; {@link PeerLink} decides when.
 */
export class PeerConnection {
  readonly #connection: RTCPeerConnection;
  readonly #handlers: PeerConnectionHandlers;
  readonly #trackOf: (slot: Slot) => MediaStreamTrack | null;
  /** For texts between the apps, from the start; open once the connection is. */
  readonly channel: RTCDataChannel;
  readonly #transceivers = new Map<Slot, RTCRtpTransceiver>();
  /** Groups microphone and camera into one stream, for remote sides that look at stream ids. */
  readonly #stream = new MediaStream();
  readonly #end = new AbortController();

  /**
   * @param trackOf - returns the track that a slot sends; called again on each negotiation and `updateTrack()`
   * @throws ReferenceError if WebRTC is missing
   */
  constructor(
    config: RTCConfiguration,
    trackOf: (slot: Slot) => MediaStreamTrack | null,
    handlers: PeerConnectionHandlers,
  ) {
    const connection = new RTCPeerConnection(config);
    resourceCounters.connections += 1;
    this.#connection = connection;
    this.#handlers = handlers;
    this.#trackOf = trackOf;
    const { signal } = this.#end;
    const onCandidate = (event: Event): void => {
      const { candidate } = event as RTCPeerConnectionIceEvent;
      if (candidate !== null && candidate.candidate !== '') handlers.onCandidate(candidate);
    };
    listen(connection, 'icecandidate', onCandidate, signal);
    const onCandidateError = (event: Event): void => {
      handlers.onCandidateError(event as RTCPeerConnectionIceErrorEvent);
    };
    listen(connection, 'icecandidateerror', onCandidateError, signal);
    listen(connection, 'connectionstatechange', () => handlers.onStateChange(connection.connectionState), signal);
    // Both sides create it with the same id, so that it needs no negotiation of its own (W3C WebRTC 6.1.1).
    this.channel = connection.createDataChannel('data', { negotiated: true, id: 0 });
    listen(this.channel, 'open', () => handlers.onDataOpen(), signal);
    const onMessage = (event: Event): void => {
      const { data } = event as MessageEvent<unknown>;
      handlers.onData(typeof data === 'string' && data.length <= MAX_TEXT_LENGTH ? data : '');
    };
    listen(this.channel, 'message', onMessage, signal);
  }

  /** True once a remote description is set, so that candidates can be added. */
  get hasRemoteDescription(): boolean {
    return this.#connection.remoteDescription !== null;
  }

  /** Creates an offer and sets it as the local description. Returns its SDP. */
  async createOffer(iceRestart: boolean, config: RTCConfiguration | undefined): Promise<string> {
    if (config !== undefined) this.#connection.setConfiguration(config);
    const isInitial = this.#transceivers.size === 0;
    for (const slot of SLOTS) {
      if (this.#transceivers.has(slot) || (!isInitial && !this.needsNegotiation(slot))) continue;
      const streams = this.#streams(slot);
      this.#add(slot, this.#connection.addTransceiver(KIND[slot], { direction: 'sendrecv', streams }));
    }
    await this.#updateTracks();
    const { sdp = '' } = await this.#connection.createOffer({ iceRestart });
    await this.#connection.setLocalDescription({ type: 'offer', sdp });
    return withDtx(sdp);
  }

  /** Applies a remote offer. Returns the SDP of the answer, which is set as the local description. */
  async acceptOffer(offer: string, config: () => Promise<RTCConfiguration>): Promise<string> {
    const current = this.#connection.remoteDescription;
    // TURN credentials may have expired since the connection was created. They are used only if ICE restarts.
    if (current !== null && iceUfrag(current.sdp) !== iceUfrag(offer)) {
      this.#connection.setConfiguration(await config());
    }
    await this.#connection.setRemoteDescription({ type: 'offer', sdp: offer });
    for (const transceiver of this.#connection.getTransceivers()) this.#adopt(transceiver);
    await this.#updateTracks();
    const { sdp = '' } = await this.#connection.createAnswer();
    await this.#connection.setLocalDescription({ type: 'answer', sdp });
    return withDtx(sdp);
  }

  /** Applies a remote answer. */
  applyAnswer(answer: string): Promise<void> {
    return this.#connection.setRemoteDescription({ type: 'answer', sdp: answer });
  }

  /** Rolls the local offer back. */
  rollback(): Promise<void> {
    return this.#connection.setLocalDescription({ type: 'rollback' });
  }

  /** Adds a remote candidate. */
  addCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    return this.#connection.addIceCandidate(candidate);
  }

  /** Returns whether a slot has a track to send but no transceiver. */
  needsNegotiation(slot: Slot): boolean {
    return !this.#transceivers.has(slot) && this.#trackOf(slot) !== null;
  }

  /** Sends the current track of a slot. Does nothing before the slot is negotiated. */
  async updateTrack(slot: Slot): Promise<void> {
    // Not skipped if `sender.track` is already this track: an earlier replaceTrack() may still be pending.
    await this.#transceivers.get(slot)?.sender.replaceTrack(this.#trackOf(slot));
  }

  /** Limits what a slot sends. Calls must not overlap. Does nothing before the slot is negotiated. */
  async setEncoding(slot: Slot, { degradationPreference, ...limits }: VideoEncoding): Promise<void> {
    const sender = this.#transceivers.get(slot)?.sender;
    const parameters = sender?.getParameters();
    const [encoding] = parameters?.encodings ?? [];
    if (sender === undefined || parameters === undefined || encoding === undefined) return;
    Object.assign(encoding, limits);
    await sender.setParameters({ ...parameters, degradationPreference });
  }

  /** Returns the statistics of the connection. */
  stats(): Promise<RTCStatsReport> {
    return this.#connection.getStats();
  }

  /** The transceiver of the microphones, once it is negotiated. */
  get mic(): RTCRtpTransceiver | undefined {
    return this.#transceivers.get('mic');
  }

  /** Closes the connection and removes all listeners. Idempotent. */
  close(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#connection.close();
    resourceCounters.connections -= 1;
  }

  #streams(slot: Slot): MediaStream[] {
    return slot === 'mic' || slot === 'camera' ? [this.#stream] : [];
  }

  /** Assigns a transceiver of a remote offer to the next free slot of its kind. */
  #adopt(transceiver: RTCRtpTransceiver): void {
    if (transceiver.direction === 'stopped' || [...this.#transceivers.values()].includes(transceiver)) return;
    const { kind } = transceiver.receiver.track;
    const slot = SLOTS.find((each) => KIND[each] === kind && !this.#transceivers.has(each));
    if (slot === undefined) return;
    transceiver.direction = 'sendrecv';
    transceiver.sender.setStreams(...this.#streams(slot));
    this.#add(slot, transceiver);
  }

  #add(slot: Slot, transceiver: RTCRtpTransceiver): void {
    this.#transceivers.set(slot, transceiver);
    if (slot === 'mic') preferRed(transceiver);
    this.#handlers.onTransceiver(slot, transceiver);
    const { track } = transceiver.receiver;
    let isReported = false;
    const onUnmute = (): void => {
      if (!isReported) this.#handlers.onTrack(slot, track);
      isReported = true;
    };
    listen(track, 'unmute', onUnmute, this.#end.signal);
    if (!track.muted) onUnmute();
  }

  async #updateTracks(): Promise<void> {
    await Promise.all(SLOTS.map((slot) => this.updateTrack(slot)));
  }
}

/** Asks the peer to send no speech packets during silence (Opus DTX, RFC 7587, section 3.1.3). */
function withDtx(sdp: string): string {
  return sdp.replaceAll(/useinbandfec=1(?!.*usedtx)/g, 'useinbandfec=1;usedtx=1');
}

/** Repeats speech in the next packet, which makes up for lost packets (RFC 2198), in browsers that support it. */
function preferRed(transceiver: RTCRtpTransceiver): void {
  const { codecs = [] } = RTCRtpReceiver.getCapabilities('audio') ?? {};
  const isRed = ({ mimeType }: RTCRtpCodec): boolean => mimeType === 'audio/red';
  if (!codecs.some(isRed)) return;
  transceiver.setCodecPreferences([...codecs.filter(isRed), ...codecs.filter((codec) => !isRed(codec))]);
}

function iceUfrag(sdp: string): string | undefined {
  return /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1];
}
