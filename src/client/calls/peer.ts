import { held, listen } from './held.ts';
import type { Slot } from './media-backend.ts';
import type { Energy } from './speakers.ts';

const SLOTS = ['mic', 'camera', 'screen', 'screenAudio'] as const satisfies readonly Slot[];
/** In the order of the m-lines of an offer: the nth of a kind is the same slot on both sides, with foreign peers too. */
const KIND = { mic: 'audio', camera: 'video', screen: 'video', screenAudio: 'audio' } as const;

interface SoundStats {
  readonly type: string;
  readonly totalAudioEnergy?: number;
  readonly totalSamplesDuration?: number;
}

export interface PeerHandlers {
  candidate(candidate: RTCIceCandidate): void;
  connection(state: RTCPeerConnectionState): void;
  /** The first of it comes. Until then a slot is there and silent. */
  track(slot: Slot, track: MediaStreamTrack): void;
  /** Every sender and receiver, before anything goes through it. */
  transceiver(slot: Slot, transceiver: RTCRtpTransceiver): void;
}

/** @throws ReferenceError where there is no WebRTC */
export const hasWebRtc = (): boolean => typeof RTCPeerConnection === 'function';

/**
 * One RTCPeerConnection with four fixed slots: what is sent in them changes by `replaceTrack` (W3C WebRTC 5.2), without an
 * offer. Its descriptions are made explicitly, and nothing here decides when.
 */
export class Peer {
  readonly #pc: RTCPeerConnection;
  readonly #handlers: PeerHandlers;
  readonly #tracks: ReadonlyMap<Slot, MediaStreamTrack | null>;
  readonly #slots = new Map<Slot, RTCRtpTransceiver>();
  /** Names microphone and camera as one stream to peers that look at it. */
  readonly #stream = new MediaStream();
  readonly #end = new AbortController();

  /** @param tracks - what is sent in each slot, now and whenever a slot is made */
  constructor(config: RTCConfiguration, tracks: ReadonlyMap<Slot, MediaStreamTrack | null>, handlers: PeerHandlers) {
    const pc = new RTCPeerConnection(config);
    held.connections += 1;
    this.#pc = pc;
    this.#handlers = handlers;
    this.#tracks = tracks;
    const { signal } = this.#end;
    const onCandidate = (event: Event): void => {
      const { candidate } = event as RTCPeerConnectionIceEvent;
      if (candidate !== null && candidate.candidate !== '') handlers.candidate(candidate);
    };
    listen(pc, 'icecandidate', onCandidate, signal);
    listen(pc, 'connectionstatechange', () => handlers.connection(pc.connectionState), signal);
  }

  get described(): boolean {
    return this.#pc.remoteDescription !== null;
  }

  async offer(restart: boolean, config: RTCConfiguration | undefined): Promise<string> {
    if (config !== undefined) this.#pc.setConfiguration(config);
    const first = this.#slots.size === 0;
    for (const slot of SLOTS) {
      if (this.#slots.has(slot) || (!first && !this.misses(slot))) continue;
      const streams = this.#streams(slot);
      this.#place(slot, this.#pc.addTransceiver(KIND[slot], { direction: 'sendrecv', streams }));
    }
    await this.#fill();
    const { sdp = '' } = await this.#pc.createOffer({ iceRestart: restart });
    await this.#pc.setLocalDescription({ type: 'offer', sdp });
    return sdp;
  }

  /** @returns the answer */
  async accept(offer: string, config: () => Promise<RTCConfiguration>): Promise<string> {
    const current = this.#pc.remoteDescription;
    // Credentials of the connection may have expired since; where ICE doesn't start anew they aren't needed.
    if (current !== null && ufrag(current.sdp) !== ufrag(offer)) {
      this.#pc.setConfiguration(await config());
    }
    await this.#pc.setRemoteDescription({ type: 'offer', sdp: offer });
    for (const transceiver of this.#pc.getTransceivers()) this.#adopt(transceiver);
    await this.#fill();
    const { sdp = '' } = await this.#pc.createAnswer();
    await this.#pc.setLocalDescription({ type: 'answer', sdp });
    return sdp;
  }

  settle(answer: string): Promise<void> {
    return this.#pc.setRemoteDescription({ type: 'answer', sdp: answer });
  }

  rollback(): Promise<void> {
    return this.#pc.setLocalDescription({ type: 'rollback' });
  }

  addCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    return this.#pc.addIceCandidate(candidate);
  }

  /** Whether something is to be sent in a slot that was never negotiated. */
  misses(slot: Slot): boolean {
    return !this.#slots.has(slot) && (this.#tracks.get(slot) ?? null) !== null;
  }

  /** Sends what the slot holds now. */
  async send(slot: Slot): Promise<void> {
    const sender = this.#slots.get(slot)?.sender;
    const track = this.#tracks.get(slot) ?? null;
    // Also where it seems to be sent already: a change before this one may still be under way.
    await sender?.replaceTrack(track);
  }

  stats(): Promise<RTCStatsReport> {
    return this.#pc.getStats();
  }

  /** How loud it has been so far: what comes in, or what the microphone gives. Unknown where there is nothing. */
  async energy(of: 'receiver' | 'sender'): Promise<Energy | undefined> {
    const mic = this.#slots.get('mic');
    let energy: Energy | undefined;
    if (of === 'sender' && (mic?.sender.track ?? null) === null) return energy;
    (await mic?.[of].getStats())?.forEach((stat: SoundStats) => {
      if (stat.type !== 'inbound-rtp' && stat.type !== 'media-source') return;
      const { totalAudioEnergy, totalSamplesDuration } = stat;
      if (totalAudioEnergy === undefined || totalSamplesDuration === undefined) return;
      energy = { joules: totalAudioEnergy, seconds: totalSamplesDuration };
    });
    return energy;
  }

  close(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#pc.close();
    held.connections -= 1;
  }

  #streams(slot: Slot): MediaStream[] {
    return slot === 'mic' || slot === 'camera' ? [this.#stream] : [];
  }

  /** Takes a place that the other side has offered: the nth of a kind there is the nth here. */
  #adopt(transceiver: RTCRtpTransceiver): void {
    if (transceiver.direction === 'stopped' || [...this.#slots.values()].includes(transceiver)) return;
    const { kind } = transceiver.receiver.track;
    const slot = SLOTS.find((each) => KIND[each] === kind && !this.#slots.has(each));
    if (slot === undefined) return;
    transceiver.direction = 'sendrecv';
    transceiver.sender.setStreams(...this.#streams(slot));
    this.#place(slot, transceiver);
  }

  #place(slot: Slot, transceiver: RTCRtpTransceiver): void {
    this.#slots.set(slot, transceiver);
    this.#handlers.transceiver(slot, transceiver);
    const { track } = transceiver.receiver;
    let came = false;
    const onUnmute = (): void => {
      if (!came) this.#handlers.track(slot, track);
      came = true;
    };
    listen(track, 'unmute', onUnmute, this.#end.signal);
    if (!track.muted) onUnmute();
  }

  async #fill(): Promise<void> {
    await Promise.all(SLOTS.map((slot) => this.send(slot)));
  }
}

function ufrag(sdp: string): string | undefined {
  return /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1];
}
