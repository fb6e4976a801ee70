import type { Clock } from '../../lib/clock.ts';
import { Early } from './early.ts';
import {
  newLink,
  offerId,
  stepLink,
  type LinkEffect,
  type LinkEvent,
  type LinkState,
  type LinkTimer,
} from './link-machine.ts';
import type { IncomingSignal, PeerState, SignalBody, Slot } from './media-backend.ts';
import { Peer } from './peer.ts';
import { Timers } from './timers.ts';

/** What a link needs of the mesh it is part of. */
export interface LinkHost {
  readonly clock: Clock;
  /** What is sent in each slot. */
  readonly tracks: ReadonlyMap<Slot, MediaStreamTrack | null>;
  readonly up: boolean;
  send(body: SignalBody, generation: number): void;
  /** Fresh credentials; never rejects, and never takes long. */
  config(): Promise<RTCConfiguration>;
  tell(state: PeerState): void;
  track(slot: Slot, track: MediaStreamTrack): void;
  trackEnded(slot: Slot, track: MediaStreamTrack): void;
  transceiver(slot: Slot, transceiver: RTCRtpTransceiver): void;
  /** Something failed that recovery takes care of. */
  report(error: unknown): void;
}

interface HeldCandidate {
  readonly generation: number;
  readonly init: RTCIceCandidateInit;
}

/**
 * The way to one device of a user. Everything that happens to it goes through one queue: an event is done with, all its
 * effects included, before the next one is looked at. So offers, answers and candidates never overtake each other.
 */
export class Link {
  readonly #host: LinkHost;
  readonly #timers: Timers<LinkTimer>;
  readonly #early: Early<HeldCandidate>;
  readonly #came = new Map<Slot, MediaStreamTrack>();
  #state: LinkState;
  #peer: Peer | undefined;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param first - whether this side wins where both make the first offer */
  constructor(host: LinkHost, first: boolean) {
    this.#host = host;
    this.#timers = new Timers(host.clock);
    this.#early = new Early(host.clock);
    this.#state = newLink(first);
  }

  get generation(): number {
    return this.#state.generation;
  }

  get connected(): boolean {
    return this.#state.connection === 'connected';
  }

  get peer(): Peer | undefined {
    return this.#peer;
  }

  start(offerer: 'self' | 'peer'): void {
    this.#dispatch({ type: 'start', offerer });
  }

  up(): void {
    this.#dispatch({ type: 'up' });
  }

  hint(): void {
    this.#dispatch({ type: 'hint', up: this.#host.up });
  }

  onSignal(message: IncomingSignal): void {
    // A peer that counts no generations has one connection.
    const generation = (): number => message.from.generation ?? this.#state.generation;
    switch (message.kind) {
      case 'candidate':
        this.#enqueue(() => this.#onCandidate({ generation: generation(), init: candidateInit(message) }));
        break;
      case 'ice-restart':
        this.#enqueue(() => this.#step({ type: 'asked', generation: generation() }));
        break;
      default: {
        const { kind: type, sdp, negotiationId: id } = message;
        this.#enqueue(() => this.#step({ type, sdp, id, generation: generation() }));
      }
    }
  }

  /** Sends what the slot holds now. */
  async send(slot: Slot): Promise<void> {
    await this.#peer?.send(slot).catch(this.#report);
    // After what is under way, which may be just about to make the place for it.
    this.#enqueue(async () => {
      if (this.#peer?.misses(slot) === true) await this.#step({ type: 'slots' });
    });
  }

  /** Nothing comes out of it after this. */
  close(): void {
    this.#closed = true;
    this.#timers.clear();
    this.#peer?.close();
    this.#peer = undefined;
  }

  /** Tracks that have come and are gone with the link. */
  takeTracks(): [Slot, MediaStreamTrack][] {
    const tracks = [...this.#came];
    this.#came.clear();
    return tracks;
  }

  readonly #report = (error: unknown): void => {
    if (!this.#closed) this.#host.report(error);
  };

  #dispatch(event: LinkEvent): void {
    this.#enqueue(() => this.#step(event));
  }

  #enqueue(task: () => Promise<void>): void {
    this.#queue = this.#queue.then(() => (this.#closed ? undefined : task())).catch(this.#report);
  }

  async #step(event: LinkEvent): Promise<void> {
    const [state, effects] = stepLink(this.#state, event);
    this.#state = state;
    for (const effect of effects) {
      try {
        await this.#perform(effect);
      } catch (error) {
        if (this.#closed) return;
        this.#host.report(error);
        await this.#step({ type: 'broken', effect });
        return;
      }
      if (this.#closed) return;
    }
  }

  async #perform(effect: LinkEffect): Promise<void> {
    const host = this.#host;
    switch (effect.do) {
      case 'offer': {
        const config = effect.restart ? await host.config() : undefined;
        const { settled } = this.#state;
        const sdp = await (await this.#open()).offer(effect.restart, config);
        const renegotiation = settled ? true : undefined;
        this.#send({ kind: 'offer', sdp, negotiationId: offerId(this.#state), renegotiation });
        break;
      }
      case 'accept': {
        const peer = await this.#open();
        const sdp = await peer.accept(effect.sdp, () => host.config());
        this.#send({ kind: 'answer', sdp, negotiationId: effect.id });
        await this.#flush();
        break;
      }
      case 'settle':
        await this.#peer?.settle(effect.sdp);
        await this.#flush();
        break;
      case 'rollback':
        await this.#peer?.rollback();
        break;
      case 'rebuild':
        this.#drop();
        break;
      case 'ask':
        this.#send({ kind: 'ice-restart' }, effect.generation);
        break;
      case 'tell':
        if (effect.state === 'failed') this.#drop();
        host.tell(effect.state);
        break;
      case 'arm':
        this.#timers.arm(effect.timer, effect.ms, () =>
          this.#dispatch({ type: 'timer', timer: effect.timer, up: host.up }),
        );
        break;
      case 'disarm':
        this.#timers.disarm(effect.timer);
        break;
    }
  }

  #send(body: SignalBody, generation = this.#state.generation): void {
    if (!this.#closed) this.#host.send(body, generation);
  }

  async #open(): Promise<Peer> {
    if (this.#peer !== undefined) return this.#peer;
    const host = this.#host;
    const config = await host.config();
    if (this.#closed) throw new DOMException('The link is closed', 'AbortError');
    const { generation } = this.#state;
    const peer = new Peer(config, host.tracks, {
      candidate: ({ candidate, sdpMLineIndex, sdpMid, usernameFragment }) => {
        const body = { kind: 'candidate', candidate, sdpMLineIndex, sdpMid } as const;
        this.#send(usernameFragment === null ? body : { ...body, usernameFragment }, generation);
      },
      connection: (state) => {
        if (state === 'new' || state === 'closed') return;
        this.#enqueue(async () => {
          if (this.#peer === peer) await this.#step({ type: 'connection', state });
        });
      },
      track: (slot, track) => {
        this.#came.set(slot, track);
        host.track(slot, track);
      },
      transceiver: (slot, transceiver) => host.transceiver(slot, transceiver),
    });
    this.#peer = peer;
    return peer;
  }

  #drop(): void {
    this.#peer?.close();
    this.#peer = undefined;
    for (const [slot, track] of this.takeTracks()) this.#host.trackEnded(slot, track);
  }

  async #onCandidate(held: HeldCandidate): Promise<void> {
    if (held.generation < this.#state.generation) return;
    this.#early.keep(held);
    if (this.#peer?.described === true) await this.#flush();
  }

  async #flush(): Promise<void> {
    const { generation } = this.#state;
    for (const { init } of this.#early.take((each) => each.generation <= generation)) {
      // One of an offer that was ignored, or garbage: no reason to give the others up.
      await this.#peer?.addCandidate(init).catch(this.#report);
    }
  }
}

function candidateInit(message: IncomingSignal & { kind: 'candidate' }): RTCIceCandidateInit {
  const { candidate, sdpMLineIndex, sdpMid, usernameFragment } = message;
  return { candidate, sdpMLineIndex, sdpMid, ...(usernameFragment !== undefined && { usernameFragment }) };
}
