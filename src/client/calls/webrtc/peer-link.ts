import type { Clock } from '../../../lib/clock.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import { SignalBuffer } from '../signaling/signal-buffer.ts';
import type { IncomingSignal, PeerState, SignalBody, Slot } from './media-backend.ts';
import {
  negotiationId,
  newNegotiation,
  stepNegotiation,
  type NegotiationEffect,
  type NegotiationEvent,
  type NegotiationMachine,
  type NegotiationTimer,
} from './negotiation-machine.ts';
import { PeerConnection } from './peer-connection.ts';
import { countTimers } from './resource-counters.ts';
import type { VideoEncoding } from './video-encoding.ts';

/** What a {@link PeerLink} needs of its media backend. */
export interface PeerLinkHost {
  readonly clock: Clock;
  /** Returns the track that a slot sends. */
  readonly trackOf: (slot: Slot) => MediaStreamTrack | null;
  /** Whether signals can be sent now. */
  readonly isSignalingUp: boolean;
  sendSignal(body: SignalBody, generation: number): void;
  /** Returns an unexpired configuration. Never rejects, and resolves within a few seconds. */
  config(): Promise<RTCConfiguration>;
  onState(state: PeerState): void;
  onCandidateError(error: RTCPeerConnectionIceErrorEvent): void;
  onTrack(slot: Slot, track: MediaStreamTrack): void;
  onTrackEnded(slot: Slot, track: MediaStreamTrack): void;
  onTransceiver(slot: Slot, transceiver: RTCRtpTransceiver): void;
  onDataOpen(): void;
  onData(text: string): void;
  /** Reports an error that recovery handles. */
  report(error: unknown): void;
}

interface PendingCandidate {
  readonly generation: number;
  readonly init: RTCIceCandidateInit;
}

/**
 * The link to one device of a user: a {@link PeerConnection} driven by a {@link NegotiationMachine}. Events are processed
 * one at a time, each with all its effects, so that offers, answers and candidates never overtake each other.
 */
export class PeerLink {
  readonly #host: PeerLinkHost;
  readonly #timers: KeyedTimers<NegotiationTimer>;
  readonly #earlyCandidates: SignalBuffer<PendingCandidate>;
  readonly #remoteTracks = new Map<Slot, MediaStreamTrack>();
  #machine: NegotiationMachine;
  #connection: PeerConnection | undefined;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param winsGlare - whether this side's offer takes precedence if both sides send the initial offer */
  constructor(host: PeerLinkHost, winsGlare: boolean) {
    this.#host = host;
    this.#timers = new KeyedTimers(countTimers(host.clock));
    this.#earlyCandidates = new SignalBuffer(host.clock);
    this.#machine = newNegotiation(winsGlare);
  }

  /** Number of the current connection, from 0; rebuilding increments it. */
  get generation(): number {
    return this.#machine.generation;
  }

  /** The connection while it is connected. */
  get connected(): PeerConnection | undefined {
    return this.#machine.connection === 'connected' ? this.#connection : undefined;
  }

  /** Starts the negotiation: by an offer, or by waiting for the peer's. */
  start(offerer: 'self' | 'peer'): void {
    this.#dispatch({ type: 'start', offerer });
  }

  /** Resumes postponed steps after signalling was restored. */
  signalingRestored(): void {
    this.#dispatch({ type: 'signaling-up' });
  }

  /** Attempts recovery now if the connection is down. */
  recover(): void {
    this.#dispatch({ type: 'recover', isSignalingUp: this.#host.isSignalingUp });
  }

  /** Processes a signal of the peer. */
  onSignal(message: IncomingSignal): void {
    // Base clients send no generation; they have a single connection.
    const generation = (): number => message.from.generation ?? this.#machine.generation;
    switch (message.kind) {
      case 'candidate':
        this.#enqueue(() => this.#onCandidate({ generation: generation(), init: candidateInit(message) }));
        break;
      case 'ice-restart':
        this.#enqueue(() => this.#step({ type: 'restart-requested', generation: generation() }));
        break;
      default: {
        const { kind: type, sdp, negotiationId: id } = message;
        this.#enqueue(() => this.#step({ type, sdp, id, generation: generation() }));
      }
    }
  }

  /** Sends the current track of a slot, renegotiating if the slot has no transceiver. */
  async updateTrack(slot: Slot): Promise<void> {
    await this.#connection?.updateTrack(slot).catch(this.#report);
    // Checked after queued events, because they may add the transceiver.
    this.#enqueue(async () => {
      if (this.#connection?.needsNegotiation(slot) === true) await this.#step({ type: 'negotiation-needed' });
    });
  }

  /** Limits the video of a slot. Does nothing before the slot is negotiated. */
  setEncoding(slot: Slot, encoding: VideoEncoding): void {
    this.#enqueue(async () => this.#connection?.setEncoding(slot, encoding));
  }

  /** The data channel of the current connection, open or not; `undefined` while there is no connection. */
  get channel(): RTCDataChannel | undefined {
    return this.#connection?.channel;
  }

  /** Closes the connection. No callback of the host is called afterwards. */
  close(): void {
    this.#closed = true;
    this.#timers.clear();
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Removes and returns the remote tracks that were reported. */
  takeTracks(): [Slot, MediaStreamTrack][] {
    const tracks = [...this.#remoteTracks];
    this.#remoteTracks.clear();
    return tracks;
  }

  readonly #report = (error: unknown): void => {
    if (!this.#closed) this.#host.report(error);
  };

  #dispatch(event: NegotiationEvent): void {
    this.#enqueue(() => this.#step(event));
  }

  #enqueue(task: () => Promise<void>): void {
    this.#queue = this.#queue.then(() => (this.#closed ? undefined : task())).catch(this.#report);
  }

  async #step(event: NegotiationEvent): Promise<void> {
    const [machine, effects] = stepNegotiation(this.#machine, event);
    this.#machine = machine;
    for (const effect of effects) {
      try {
        await this.#perform(effect);
      } catch (error) {
        if (this.#closed) return;
        this.#host.report(error);
        await this.#step({ type: 'effect-failed', effect });
        return;
      }
      if (this.#closed) return;
    }
  }

  async #perform(effect: NegotiationEffect): Promise<void> {
    const host = this.#host;
    switch (effect.do) {
      case 'send-offer': {
        const config = effect.restart ? await host.config() : undefined;
        const { wasStable } = this.#machine;
        const sdp = await (await this.#open()).createOffer(effect.restart, config);
        const renegotiation = wasStable ? true : undefined;
        this.#send({ kind: 'offer', sdp, negotiationId: negotiationId(this.#machine), renegotiation });
        break;
      }
      case 'accept-offer': {
        const connection = await this.#open();
        const sdp = await connection.acceptOffer(effect.sdp, () => host.config());
        this.#send({ kind: 'answer', sdp, negotiationId: effect.id });
        await this.#addCandidates();
        break;
      }
      case 'apply-answer':
        await this.#connection?.applyAnswer(effect.sdp);
        await this.#addCandidates();
        break;
      case 'rollback':
        await this.#connection?.rollback();
        break;
      case 'discard-connection':
        this.#discard();
        break;
      case 'request-restart':
        this.#send({ kind: 'ice-restart' }, effect.generation);
        break;
      case 'report-state':
        if (effect.state === 'failed') this.#discard();
        host.onState(effect.state);
        break;
      case 'set-timer':
        this.#timers.set(effect.timer, effect.ms, () =>
          this.#dispatch({ type: 'timeout', timer: effect.timer, isSignalingUp: host.isSignalingUp }),
        );
        break;
      case 'clear-timer':
        this.#timers.cancel(effect.timer);
        break;
    }
  }

  #send(body: SignalBody, generation = this.#machine.generation): void {
    if (!this.#closed) this.#host.sendSignal(body, generation);
  }

  async #open(): Promise<PeerConnection> {
    if (this.#connection !== undefined) return this.#connection;
    const host = this.#host;
    const config = await host.config();
    if (this.#closed) throw new DOMException('The link is closed', 'AbortError');
    const { generation } = this.#machine;
    const connection = new PeerConnection(config, host.trackOf, {
      onCandidate: ({ candidate, sdpMLineIndex, sdpMid, usernameFragment }) => {
        const body = { kind: 'candidate', candidate, sdpMLineIndex, sdpMid } as const;
        this.#send(usernameFragment === null ? body : { ...body, usernameFragment }, generation);
      },
      onCandidateError: (error) => host.onCandidateError(error),
      onStateChange: (state) => {
        if (state === 'new' || state === 'closed') return;
        this.#enqueue(async () => {
          if (this.#connection === connection) await this.#step({ type: 'connection', state });
        });
      },
      onTrack: (slot, track) => {
        this.#remoteTracks.set(slot, track);
        host.onTrack(slot, track);
      },
      onTransceiver: (slot, transceiver) => host.onTransceiver(slot, transceiver),
      onDataOpen: () => host.onDataOpen(),
      onData: (text) => host.onData(text),
    });
    this.#connection = connection;
    return connection;
  }

  #discard(): void {
    this.#connection?.close();
    this.#connection = undefined;
    for (const [slot, track] of this.takeTracks()) this.#host.onTrackEnded(slot, track);
  }

  async #onCandidate(candidate: PendingCandidate): Promise<void> {
    if (candidate.generation < this.#machine.generation) return;
    this.#earlyCandidates.push(candidate);
    if (this.#connection?.hasRemoteDescription === true) await this.#addCandidates();
  }

  async #addCandidates(): Promise<void> {
    const { generation } = this.#machine;
    for (const { init } of this.#earlyCandidates.take((each) => each.generation <= generation)) {
      // A candidate of an ignored offer, or an invalid one, is reported; the others are still added.
      await this.#connection?.addCandidate(init).catch(this.#report);
    }
  }
}

function candidateInit(message: IncomingSignal & { kind: 'candidate' }): RTCIceCandidateInit {
  const { candidate, sdpMLineIndex, sdpMid, usernameFragment } = message;
  return { candidate, sdpMLineIndex, sdpMid, ...(usernameFragment !== undefined && { usernameFragment }) };
}
