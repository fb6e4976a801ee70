import type { Clock } from '../../lib/clock.ts';
import { deferred } from '../../lib/deferred.ts';
import { Emitter } from '../../lib/emitter.ts';
import { CommError } from '../../protocol/errors.ts';
import { Early } from './early.ts';
import type { FrameCipher } from './frame-cipher.ts';
import { Link } from './link.ts';
import type {
  IncomingSignal,
  MediaBackend,
  MediaBackendEvents,
  MediaContext,
  PeerId,
  PeerStats,
  Slot,
} from './media-backend.ts';
import { Monitor } from './monitor.ts';
import { Timers } from './timers.ts';

/** Longer than this no connection waits for credentials: it begins with those it had. */
const CONFIG_WAIT_MS = 5_000;
/** How many strangers may send before they have joined. */
const MAX_STRANGERS = 16;

export interface MeshOptions {
  readonly clock: Clock;
  /** Something failed that recovery takes care of. */
  readonly report: (error: unknown) => void;
}

interface Member {
  readonly id: PeerId;
  readonly link: Link;
}
interface Stranger {
  readonly id: PeerId;
  readonly early: Early<IncomingSignal>;
}

/** A connection from each to each. Whoever is in already offers to whoever joins, so each pair has one offerer. */
export class Mesh implements MediaBackend {
  readonly #options: MeshOptions;
  readonly #emitter: Emitter<MediaBackendEvents>;
  readonly #monitor: Monitor;
  readonly #tracks = new Map<Slot, MediaStreamTrack | null>();
  readonly #members = new Map<string, Member>();
  readonly #strangers = new Map<string, Stranger>();
  readonly #timers: Timers<'config'>;
  readonly #waiting: [peer: PeerId, offerer: 'self' | 'peer'][] = [];
  readonly #end = new AbortController();
  #joining = false;
  #context: MediaContext | undefined;
  #cipher: FrameCipher | undefined;
  #config: RTCConfiguration = {};
  #asking: Promise<RTCConfiguration> | undefined;
  #stopUp: (() => void) | undefined;

  constructor(options: MeshOptions) {
    this.#options = options;
    this.#timers = new Timers(options.clock);
    this.#emitter = new Emitter<MediaBackendEvents>(options.report);
    this.#monitor = new Monitor(options.clock, {
      self: () => this.#context?.self.userId ?? '',
      watched: () => this.#watched(),
      quality: (stats) => this.#emit('quality', stats),
      speaking: (userIds) => this.#emit('speaker', { userIds }),
      report: options.report,
    });
  }

  on<K extends keyof MediaBackendEvents>(event: K, listener: (payload: MediaBackendEvents[K]) => void): () => void {
    return this.#emitter.on(event, listener);
  }

  async join(context: MediaContext): Promise<void> {
    if (this.#end.signal.aborted || this.#joining) return;
    if (context.abort.aborted) return this.close();
    this.#joining = true;
    context.abort.addEventListener('abort', () => this.close(), { signal: this.#end.signal });
    if (context.keys !== undefined) {
      const { FrameCipher: Cipher } = await import('./frame-cipher.ts');
      if (this.#end.signal.aborted) return;
      this.#cipher = new Cipher(context.keys, key, this.#options.clock, this.#options.report);
    }
    this.#context = context;
    this.#stopUp = context.signal.onUp(() => {
      for (const { link } of this.#members.values()) link.up();
    });
    for (const peer of context.roster) this.peerJoined(peer, 'peer');
    for (const [peer, offerer] of this.#waiting.splice(0)) this.peerJoined(peer, offerer);
  }

  async setSlot(slot: Slot, track: MediaStreamTrack | null): Promise<void> {
    this.#tracks.set(slot, track);
    await Promise.all(Array.from(this.#members.values(), ({ link }) => link.send(slot)));
  }

  peerJoined(peer: PeerId, offerer: 'self' | 'peer'): void {
    if (this.#end.signal.aborted || this.#find(peer) !== undefined) return;
    if (this.#context === undefined) {
      this.#waiting.push([peer, offerer]);
      return;
    }
    this.#cipher?.joined(peer);
    const member = this.#member(peer, this.#context);
    this.#members.set(key(peer), member);
    this.#emit('peerState', { peer: this.#id(member), state: 'connecting' });
    member.link.start(offerer);
    for (const [stranger, { id, early }] of this.#strangers) {
      if (!same(id, peer)) continue;
      this.#strangers.delete(stranger);
      for (const message of early.take()) member.link.onSignal(message);
    }
  }

  peerLeft(peer: PeerId): void {
    const left = (other: PeerId): boolean => same(other, peer);
    for (const [each, member] of this.#members) {
      if (!left(member.id)) continue;
      this.#members.delete(each);
      member.link.close();
      this.#cipher?.left(member.id);
      for (const [slot, track] of member.link.takeTracks()) {
        this.#emit('trackEnded', { peer: this.#id(member), slot, track });
      }
    }
    this.#strangers.delete(key(peer));
    const waits = this.#waiting.filter(([other]) => !left(other));
    this.#waiting.splice(0, this.#waiting.length, ...waits);
  }

  onSignal(message: IncomingSignal): void {
    if (this.#end.signal.aborted) return;
    const member = this.#find(message.from);
    if (member !== undefined) {
      member.link.onSignal(message);
      return;
    }
    const stranger = key(message.from);
    let known = this.#strangers.get(stranger);
    if (known === undefined) {
      if (this.#strangers.size >= MAX_STRANGERS) return;
      known = { id: message.from, early: new Early(this.#options.clock) };
      this.#strangers.set(stranger, known);
    }
    known.early.keep(message);
  }

  recover(): void {
    for (const { link } of this.#members.values()) link.hint();
  }

  stats(): Promise<PeerStats[]> {
    return Promise.all(this.#watched().map((each) => this.#monitor.measure(each)));
  }

  close(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#stopUp?.();
    this.#monitor.close();
    this.#cipher?.close();
    this.#timers.clear();
    for (const { link } of this.#members.values()) link.close();
    this.#members.clear();
    this.#strangers.clear();
  }

  #member(peer: PeerId, { self, signal }: MediaContext): Member {
    const { clock, report } = this.#options;
    const link = new Link(
      {
        clock,
        report,
        tracks: this.#tracks,
        get up() {
          return signal.up;
        },
        send: (body, generation) => signal.send({ ...body, to: { ...peer, generation } }),
        config: () => this.#fresh(),
        tell: (state) => {
          this.#emit('peerState', { peer: this.#id(member), state, encrypted: this.#cipher?.protects(peer) });
          this.#monitor.changed();
        },
        track: (slot, track) => this.#emit('track', { peer: this.#id(member), slot, track }),
        trackEnded: (slot, track) => this.#emit('trackEnded', { peer: this.#id(member), slot, track }),
        transceiver: (slot, transceiver) => this.#cipher?.protect(peer, slot, transceiver),
      },
      key(self) < key(peer),
    );
    const member: Member = { id: peer, link };
    return member;
  }

  #id({ id, link }: Member): PeerId {
    return { ...id, generation: link.generation };
  }

  #find(peer: PeerId): Member | undefined {
    const exact = this.#members.get(key(peer));
    if (exact !== undefined) return exact;
    return [...this.#members.values()].find(({ id }) => same(id, peer));
  }

  #watched(): { id: PeerId; peer: NonNullable<Link['peer']> }[] {
    return [...this.#members.values()].flatMap((member) => {
      const { peer, connected } = member.link;
      return connected && peer !== undefined ? [{ id: this.#id(member), peer }] : [];
    });
  }

  #emit<K extends keyof MediaBackendEvents>(event: K, payload: MediaBackendEvents[K]): void {
    if (!this.#end.signal.aborted) this.#emitter.emit(event, payload);
  }

  /** One answer for all that ask at once. */
  #fresh(): Promise<RTCConfiguration> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #ask(): Promise<RTCConfiguration> {
    try {
      const late = deferred<never>();
      this.#timers.arm('config', CONFIG_WAIT_MS, () => late.reject(new CommError('TIMEOUT', 'No ICE servers came')));
      const asked = await Promise.race([late.promise, this.#context?.iceServers()]);
      this.#config = {
        iceServers: [...(asked?.iceServers ?? [])],
        iceTransportPolicy: asked?.iceTransportPolicy ?? 'all',
      };
    } catch (error) {
      this.#options.report(error);
    } finally {
      this.#timers.disarm('config');
    }
    return { ...this.#config, bundlePolicy: 'max-bundle' };
  }
}

function key({ userId, deviceId }: PeerId): string {
  return `${userId}|${deviceId ?? ''}`;
}

/** The same device, as far as is known: a base server names none. */
function same(a: PeerId, b: PeerId): boolean {
  if (a.userId !== b.userId) return false;
  return a.deviceId === undefined || b.deviceId === undefined || a.deviceId === b.deviceId;
}
